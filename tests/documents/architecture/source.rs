//! Rust source, read as far as it takes to know which file names what of which other file: paths,
//! `use`, `mod` and re-exports, without what stands in comments and strings.

use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref;

use super::words::{words, Word};

/// The library's name, under which the programs know it.
const LIBRARY: &str = "policy_table";

/// What the name of an item stands behind.
const DEFINES: [&str; 7] = ["fn", "struct", "enum", "trait", "type", "const", "static"];

/// The files below `src/`, read.
pub struct Tree {
    files: BTreeMap<String, Source>,
}

/// A file.
pub struct Source {
    /// Where it stands, from the top of the tree.
    pub path: String,
    pub text: String,
    /// The names of the modules it is in, its own last; none for `lib.rs`.
    pub module: Vec<String>,
    /// The modules it lists, in their order.
    pub listed: Vec<String>,
    /// Those of them that others may name.
    pub open: Vec<String>,
    /// Texts in quotes that are no test's.
    pub quoted: Vec<String>,
    names: Vec<Name>,
    /// What it has itself, by name.
    defined: BTreeSet<String>,
}

/// Something that a file names by a path.
#[derive(Debug, Clone)]
pub struct Name {
    /// From the top of the library, or from another crate.
    pub path: Vec<String>,
    /// It is the library's own.
    pub own: bool,
    /// In a test of the file's own.
    pub in_test: bool,
    /// `pub use`, under which others may name it.
    pub handed_on: bool,
    /// A `use`, with what the file calls it; `*` for all that there is.
    brought_in_as: Option<String>,
}

impl Name {
    fn is_brought_in_as(&self, name: &str) -> bool {
        self.brought_in_as.as_deref() == Some(name)
    }
}

impl Tree {
    /// Of paths and texts. What is not Rust, or not below `src/`, does not count.
    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let rust = |(path, _): &(String, String)| path.starts_with("src/") && is_rust(path);
        let read = files.into_iter().filter(rust).map(|(path, text)| {
            let source = Source::read(path.clone(), text);
            (path, source)
        });
        Self {
            files: read.collect(),
        }
    }

    pub fn files(&self) -> impl Iterator<Item = &Source> {
        self.files.values()
    }

    pub fn file(&self, path: &str) -> Option<&Source> {
        self.files.get(path)
    }

    /// The file of a module, by its names from the top.
    pub fn module(&self, names: &[String]) -> Option<&Source> {
        let path = names.join("/");
        let places = match names {
            [] => vec!["src/lib.rs".to_owned()],
            _ => vec![format!("src/{path}.rs"), format!("src/{path}/mod.rs")],
        };
        places.iter().find_map(|place| self.file(place))
    }

    /// The file that what is named stands in, whoever hands it on.
    pub fn place_of(&self, path: &[String]) -> Option<&Source> {
        self.follow(path, 0)
    }

    fn follow(&self, path: &[String], turns: usize) -> Option<&Source> {
        let mut at = 0;
        loop {
            let here = self.module(&path[..at])?;
            let Some(name) = path.get(at) else {
                return Some(here);
            };
            let is_module = self.module(&path[..=at]).is_some();
            // Of a module and something else of one name, a path goes through the module.
            if is_module && at + 1 < path.len() {
                at += 1;
                continue;
            }
            // More turns would be a circle.
            let elsewhere = (turns < 20).then(|| here.had_from_elsewhere(self, name, turns));
            return match elsewhere.flatten() {
                Some(whole) if !whole.own => Some(here),
                Some(whole) if whole.path != path[..=at] => {
                    let rest = &path[at + 1..];
                    self.follow(&[&whole.path, rest].concat(), turns + 1)
                }
                _ if is_module => self.module(&path[..=at]),
                _ => Some(here),
            };
        }
    }

    /// The other files that a file uses, each with what it names of it first: in tests, handed on
    /// and otherwise apart.
    pub fn uses<'a>(&'a self, source: &'a Source) -> Vec<(&'a Source, &'a Name)> {
        let mut seen = BTreeSet::new();
        let uses = source.own().filter_map(|name| {
            let of = self.place_of(&name.path)?;
            let is_new = seen.insert((&of.path, name.in_test, name.handed_on));
            (is_new && of.path != source.path).then_some((of, name))
        });
        uses.collect()
    }
}

fn is_rust(path: &str) -> bool {
    std::path::Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

impl Source {
    fn read(path: String, text: String) -> Self {
        let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
        let module = match inner {
            "lib" => Vec::new(),
            _ => inner
                .trim_end_matches("/mod")
                .split('/')
                .map(str::to_owned)
                .collect(),
        };
        let mut reader = Reader {
            words: words(&text),
            ..Reader::default()
        };
        reader.read();
        Self {
            path,
            text,
            names: resolved(&module, &reader.listed, reader.found),
            module,
            listed: reader.listed,
            open: reader.open,
            quoted: reader.quoted,
            defined: reader.defined,
        }
    }

    /// Whether it is a `mod.rs` or `lib.rs`.
    pub fn is_folder(&self) -> bool {
        self.module.is_empty() || self.path.ends_with("/mod.rs")
    }

    /// What it names of the library.
    pub fn own(&self) -> impl Iterator<Item = &Name> {
        self.names.iter().filter(|name| name.own)
    }

    /// What it names of other crates.
    pub fn foreign(&self) -> impl Iterator<Item = &Name> {
        self.names.iter().filter(|name| !name.own)
    }

    /// What it calls by a name and has from elsewhere.
    fn had_from_elsewhere(&self, tree: &Tree, name: &str, turns: usize) -> Option<&Name> {
        let by_name = self.names.iter().find(|own| own.is_brought_in_as(name));
        by_name.or_else(|| {
            let mut all = self.names.iter().filter(|own| own.is_brought_in_as("*"));
            all.find(|all| {
                let there = || tree.follow(&all.path, turns + 1);
                all.handed_on
                    && all.own
                    && there().is_some_and(|there| there.defined.contains(name))
            })
        })
    }
}

/// A name as it is written.
struct Written {
    path: Vec<String>,
    /// How many modules of the file's own it stands in.
    inside: usize,
    in_test: bool,
    handed_on: bool,
    brought_in_as: Option<String>,
}

/// From names as they are written to names from the top.
fn resolved(module: &[String], listed: &[String], found: Vec<Written>) -> Vec<Name> {
    // What the first word of a path stands for, and whether it is the library's own.
    let mut known: BTreeMap<String, (Vec<String>, bool)> = listed
        .iter()
        .map(|name| (name.clone(), ([module, from_ref(name)].concat(), true)))
        .collect();
    let (brought_in, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|written| written.brought_in_as.is_some());
    let mut names = Vec::new();
    for written in brought_in.into_iter().chain(others) {
        let Some((path, own)) = from_the_top(module, &known, &written) else {
            continue;
        };
        if let Some(alias) = &written.brought_in_as {
            let known = known.entry(alias.clone());
            known.or_insert_with(|| (path.clone(), own));
        }
        names.push(Name {
            path,
            own,
            in_test: written.in_test,
            handed_on: written.handed_on,
            brought_in_as: written.brought_in_as,
        });
    }
    names
}

/// The whole path, and whether it is the library's own; `None` for what stands in the file.
fn from_the_top(
    module: &[String],
    known: &BTreeMap<String, (Vec<String>, bool)>,
    written: &Written,
) -> Option<(Vec<String>, bool)> {
    let path = &written.path;
    let up = match path.first()?.as_str() {
        "crate" | LIBRARY => return Some((path[1..].to_vec(), true)),
        "self" => 0,
        "super" => path.iter().take_while(|word| *word == "super").count(),
        first => {
            let elsewhere = (vec![first.to_owned()], false);
            let (start, own) = known.get(first).cloned().unwrap_or(elsewhere);
            return Some(([&start, &path[1..]].concat(), own));
        }
    };
    // Out of the modules in the file first.
    let out = up.checked_sub(written.inside)?;
    let start = module.len().checked_sub(out)?;
    Some(([&module[..start], &path[up.max(1)..]].concat(), true))
}

/// A walk through the words of a file.
#[derive(Default)]
struct Reader {
    words: Vec<Word>,
    listed: Vec<String>,
    open: Vec<String>,
    quoted: Vec<String>,
    found: Vec<Written>,
    defined: BTreeSet<String>,
}

impl Reader {
    fn read(&mut self) {
        let (mut at, mut depth) = (0, 0);
        // At which depths modules in the file, and what is for tests, began.
        let (mut modules, mut tests): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        while let Some(word) = self.words.get(at) {
            let (inside, in_test) = (modules.len(), !tests.is_empty());
            match word {
                Word::Sign('{') => depth += 1,
                Word::Sign('}') => {
                    depth -= 1;
                    modules.retain(|from| *from < depth);
                    tests.retain(|from| *from < depth);
                }
                Word::Sign(';') => tests.retain(|from| *from < depth),
                Word::Sign('#') if self.is_for_tests(at) => tests.push(depth),
                Word::Quoted(text) if !in_test => self.quoted.push(text.clone()),
                Word::Name(name) if name == "mod" => match self.words.get(at + 1..at + 3) {
                    Some([Word::Name(name), Word::Sign(';')]) => {
                        self.listed.push(name.clone());
                        if self.is_public(at) {
                            self.open.push(name.clone());
                        }
                    }
                    Some([Word::Name(_), Word::Sign('{')]) => modules.push(depth),
                    _ => {}
                },
                Word::Name(kind) if DEFINES.contains(&kind.as_str()) => {
                    if let Some(Word::Name(name)) = self.words.get(at + 1) {
                        self.defined.insert(name.clone());
                    }
                }
                Word::Name(name) if name == "use" => {
                    let handed_on = self.is_public(at);
                    at = self.bring_in(at + 1, &[], &|path, alias| Written {
                        path,
                        inside,
                        in_test,
                        handed_on,
                        brought_in_as: Some(alias),
                    });
                    continue;
                }
                Word::Name(_) if self.begins_path(at) => {
                    let path = self.path(at);
                    at += 2 * path.len() - 1;
                    self.found.push(Written {
                        path,
                        inside,
                        in_test,
                        handed_on: false,
                        brought_in_as: None,
                    });
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Whether `#[cfg(test)]` stands there.
    fn is_for_tests(&self, at: usize) -> bool {
        let there = self.words.iter().skip(at).map(ToString::to_string);
        let words = ["#", "[", "cfg", "(", "test", ")", "]"];
        there.take(words.len()).eq(words)
    }

    /// Whether `pub` or `pub(…)` stands before.
    fn is_public(&self, at: usize) -> bool {
        let mut before = self.words[..at].iter().rev().map(ToString::to_string);
        match before.next().as_deref() {
            Some("pub") => true,
            Some(")") => before.skip_while(|word| word != "(").nth(1).as_deref() == Some("pub"),
            _ => false,
        }
    }

    fn begins_path(&self, at: usize) -> bool {
        let is_path = |at: usize| matches!(self.words.get(at), Some(Word::Path));
        is_path(at + 1) && !at.checked_sub(1).is_some_and(is_path)
    }

    /// The names from there on that `::` joins.
    fn path(&self, mut at: usize) -> Vec<String> {
        let mut path = Vec::new();
        while let Some(Word::Name(name)) = self.words.get(at) {
            path.push(name.clone());
            let Some(Word::Path) = self.words.get(at + 1) else {
                break;
            };
            at += 2;
        }
        path
    }

    /// Reads the tree of a `use`, or a member of one, and says where it ends.
    fn bring_in(
        &mut self,
        mut at: usize,
        start: &[String],
        written: &dyn Fn(Vec<String>, String) -> Written,
    ) -> usize {
        let mut path = start.to_vec();
        let mut alias = None;
        while let Some(word) = self.words.get(at) {
            at += 1;
            match word {
                Word::Path => {}
                Word::Sign('*') => alias = Some("*".to_owned()),
                Word::Name(name) if name == "as" => alias = self.path(at).pop(),
                // In braces it is what stands before them.
                Word::Name(name) if name == "self" && !path.is_empty() => {}
                Word::Name(_) if alias.is_some() => {}
                Word::Name(name) => path.push(name.clone()),
                Word::Sign('{') => {
                    while !matches!(self.words.get(at), None | Some(Word::Sign('}'))) {
                        at = self.bring_in(at, &path, written);
                        at += usize::from(matches!(self.words.get(at), Some(Word::Sign(','))));
                    }
                    return at + 1;
                }
                _ => {
                    at -= 1;
                    break;
                }
            }
        }
        let last = path.last().cloned().unwrap_or_default();
        self.found.push(written(path, alias.unwrap_or(last)));
        at
    }
}
