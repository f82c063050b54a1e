//! The options of a stanza above those of another one that it inherits from. A stanza begins with
//! all that its parent has; kept as a copy, a long line of parents would take memory, and time, with
//! the square of its length.

use std::collections::HashMap;
use std::sync::Arc;

use super::commands::Phase;

type Named = (String, Vec<u8>);

/// Options and commands in their order: names as ifupdown has them (`up` for `post-up`), values
/// joined.
#[derive(Debug, Clone, Default)]
pub struct InheritedOptions(Arc<Layer>);

/// What one stanza says.
#[derive(Debug, Clone, Default)]
struct Layer {
    below: Option<Arc<Layer>>,
    /// What none below has; and commands, which repeat.
    added: Vec<Named>,
    /// New values of what one below has.
    changed: Vec<Named>,
}

impl InheritedOptions {
    /// Options that begin with these.
    pub fn inherited(&self) -> Self {
        // One that says nothing itself is nothing to look through.
        let below = match &self.0.below {
            Some(below) if self.0.says_nothing() => below,
            _ => &self.0,
        };
        Self(Arc::new(Layer {
            below: Some(Arc::clone(below)),
            added: Vec::new(),
            changed: Vec::new(),
        }))
    }

    /// An option's value; the first of a command that is there several times.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut first = None;
        for layer in self.layers() {
            if let Some(value) = find(&layer.changed, name) {
                return Some(value);
            }
            first = find(&layer.added, name).or(first);
            if first.is_some() && Phase::of(name).is_none() {
                break;
            }
        }
        first
    }

    /// Puts an option behind the others.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        let own = Arc::make_mut(&mut self.0);
        own.added.push((name.to_owned(), value.to_vec()));
    }

    /// Gives an option that is there another value; another one stays out.
    pub fn change(&mut self, name: &str, value: Vec<u8>) {
        let is_there = self.get(name).is_some();
        let own = Arc::make_mut(&mut self.0);
        let mut entries = own.added.iter_mut().chain(&mut own.changed);
        match entries.find(|(there, _)| there == name) {
            Some((_, there)) => *there = value,
            None if is_there => own.changed.push((name.to_owned(), value)),
            None => {}
        }
    }

    /// All of them, in their order.
    pub fn all(&self) -> Vec<(&str, &[u8])> {
        self.those(|_| true)
    }

    /// Those of some names, in their order.
    pub fn those(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&str, &[u8])> {
        let mut layers: Vec<&Layer> = self.layers().collect();
        layers.reverse();
        let mut all: Vec<(&str, &[u8])> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for layer in layers {
            for (name, value) in layer.changed.iter().filter(|(name, _)| wanted(name)) {
                let place = places.get(name.as_str());
                if let Some((_, there)) = place.and_then(|place| all.get_mut(*place)) {
                    *there = value;
                }
            }
            for (name, value) in layer.added.iter().filter(|(name, _)| wanted(name)) {
                places.entry(name).or_insert(all.len());
                all.push((name, value));
            }
        }
        all
    }

    /// From its own to the first.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::successors(Some(&*self.0), |layer| layer.below.as_deref())
    }
}

impl PartialEq for InheritedOptions {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

impl Eq for InheritedOptions {}

impl Layer {
    fn says_nothing(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty()
    }
}

impl Drop for Layer {
    /// One after the other: each inside the one above it, they would fill the stack.
    fn drop(&mut self) {
        let mut below = self.below.take();
        while let Some(mut layer) = below.and_then(Arc::into_inner) {
            below = layer.below.take();
        }
    }
}

fn find<'a>(options: &'a [Named], name: &str) -> Option<&'a [u8]> {
    let found = options.iter().find(|(there, _)| there == name);
    found.map(|(_, value)| value.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(options: &InheritedOptions) -> String {
        let each = options.all().into_iter();
        let text = |value| std::str::from_utf8(value).unwrap();
        let each = each.map(|(name, value)| format!("{name}={}", text(value)));
        each.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_layer_changes_what_is_below_for_itself_alone() {
        let mut first = InheritedOptions::default();
        first.push("a", b"1");
        first.push("up", b"x");
        let mut second = first.inherited();
        second.push("up", b"y");
        second.change("a", b"2".to_vec());
        second.change("none", b"2".to_vec());
        let mut third = second.inherited();
        third.change("a", b"3".to_vec());
        third.push("b", b"4");
        third.change("b", b"5".to_vec());
        assert_eq!(shown(&first), "a=1 up=x");
        assert_eq!(shown(&second), "a=2 up=x up=y");
        assert_eq!(shown(&third), "a=3 up=x up=y b=5");
        assert_eq!(third.get("up"), Some(&b"x"[..]));
        assert_eq!((third.get("a"), third.get("c")), (Some(&b"3"[..]), None));
        assert!(first != second && first == first.clone());
    }

    #[test]
    fn what_says_nothing_is_not_looked_through() {
        let mut first = InheritedOptions::default();
        first.push("a", b"1");
        let mut last = first.clone();
        for _ in 0..1000 {
            last = last.inherited();
        }
        assert_eq!(last.layers().count(), 2);
        last.change("a", b"2".to_vec());
        assert_eq!((shown(&last), shown(&first)), ("a=2".into(), "a=1".into()));
    }

    #[test]
    fn a_long_line_of_parents_takes_no_more_than_its_length() {
        let mut last = InheritedOptions::default();
        for n in 0..100_000 {
            last = last.inherited();
            last.push(&n.to_string(), b"");
        }
        assert_eq!(last.all().len(), 100_000);
    }
}
