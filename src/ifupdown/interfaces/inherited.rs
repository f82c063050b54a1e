//! The options of a stanza with those of another one that it inherits from. A stanza begins with
//! all that its parent has; kept as a copy, a long line of parents would take memory, and time, with
//! the square of its length, and so would a look at each parent for what it says.

use std::sync::Arc;

use super::shared_map::SharedMap;
use super::variable_names::OptionKind;

/// Options and commands in their order: names as ifupdown has them (`up` for `post-up`), values
/// joined.
#[derive(Debug, Clone, Default)]
pub struct InheritedOptions {
    // By kind: of the many that a long line of parents has, few are about addresses.
    of_addresses: SharedMap<Arc<Said>>,
    commands: SharedMap<Arc<Said>>,
    others: SharedMap<Arc<Said>>,
    /// How many there are.
    count: usize,
    /// From how many stanzas they are.
    stanzas: usize,
}

/// What is said last under a name; commands repeat.
#[derive(Debug, Clone)]
struct Said {
    value: Vec<u8>,
    /// Its place among all options.
    place: usize,
    /// Which of the stanzas says it.
    stanza: usize,
    before: Option<Arc<Self>>,
}

impl Said {
    /// This, and what is said before under the same name.
    fn and_before(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |said| said.before.as_deref())
    }

    /// The first that the same stanza says under that name.
    fn first_of_stanza(&self) -> &Self {
        let same = self.and_before().take_while(|it| it.stanza == self.stanza);
        same.last().unwrap_or(self)
    }

    /// The same with another value there.
    fn with_first_of_stanza(&self, value: Vec<u8>) -> Self {
        let first = self.first_of_stanza();
        let later = self.and_before().take_while(|it| it.place > first.place);
        let later: Vec<&Self> = later.collect();
        let mut changed = first.clone();
        changed.value = value;
        later.into_iter().rev().fold(changed, |before, said| {
            let mut said = said.clone();
            said.before = Some(Arc::new(before));
            said
        })
    }
}

impl Drop for Said {
    /// One after the other: each inside the one behind it, they would fill the stack.
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(mut said) = before.and_then(Arc::into_inner) {
            before = said.before.take();
        }
    }
}

impl InheritedOptions {
    /// Options that begin with these.
    pub fn inherited(&self) -> Self {
        Self {
            stanzas: self.stanzas + 1,
            ..self.clone()
        }
    }

    /// An option's value; the first one of those that the last stanza with it has.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let said = self.of_kind(OptionKind::of(name)).get(name)?;
        Some(&said.first_of_stanza().value)
    }

    /// Puts an option behind the others.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        let (place, stanza) = (self.count, self.stanzas);
        self.count += 1;
        let there = self.of_kind_mut(OptionKind::of(name));
        let said = Said {
            value: value.to_vec(),
            place,
            stanza,
            before: there.get(name).cloned(),
        };
        there.set(name, Arc::new(said));
    }

    /// Gives an option that is there another value; another one stays out.
    pub fn change(&mut self, name: &str, value: Vec<u8>) {
        let there = self.of_kind_mut(OptionKind::of(name));
        if let Some(said) = there.get(name) {
            let changed = said.with_first_of_stanza(value);
            there.set(name, Arc::new(changed));
        }
    }

    /// All of them, in their order.
    pub fn all(&self) -> Vec<(&str, &[u8])> {
        use OptionKind::{Addresses, Command, Other};
        self.those(&[Addresses, Command, Other], |_| true)
    }

    /// Those of some kinds and names, in their order.
    pub fn those(&self, kinds: &[OptionKind], wanted: impl Fn(&str) -> bool) -> Vec<(&str, &[u8])> {
        let names = kinds.iter().flat_map(|kind| self.of_kind(*kind).iter());
        let names = names.filter(|(name, _)| wanted(name));
        let all = names.flat_map(|(name, said)| said.and_before().map(move |said| (name, said)));
        let mut all: Vec<(&str, &Said)> = all.collect();
        all.sort_unstable_by_key(|(_, said)| said.place);
        let all = all.into_iter();
        all.map(|(name, said)| (name, said.value.as_slice()))
            .collect()
    }

    /// Whether an option has a value, among others.
    pub fn says(&self, name: &str, value: &[u8]) -> bool {
        let said = self.of_kind(OptionKind::of(name)).get(name);
        let mut all = said.into_iter().flat_map(|said| said.and_before());
        all.any(|said| said.value == value)
    }

    fn of_kind(&self, kind: OptionKind) -> &SharedMap<Arc<Said>> {
        match kind {
            OptionKind::Addresses => &self.of_addresses,
            OptionKind::Command => &self.commands,
            OptionKind::Other => &self.others,
        }
    }

    fn of_kind_mut(&mut self, kind: OptionKind) -> &mut SharedMap<Arc<Said>> {
        match kind {
            OptionKind::Addresses => &mut self.of_addresses,
            OptionKind::Command => &mut self.commands,
            OptionKind::Other => &mut self.others,
        }
    }
}

impl PartialEq for InheritedOptions {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

impl Eq for InheritedOptions {}

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
        assert_eq!(third.get("up"), Some(&b"y"[..]));
        assert_eq!((third.get("a"), third.get("c")), (Some(&b"3"[..]), None));
        assert!(first != second && first == first.clone());
        // As ifupdown-ng has it: each line counts, also of one name.
        third.push("c", b"6");
        third.push("c", b"7");
        let mut fourth = third.inherited();
        fourth.push("c", b"8");
        fourth.push("c", b"9");
        assert_eq!(third.get("c"), Some(&b"6"[..]));
        fourth.change("c", b"0".to_vec());
        assert_eq!(fourth.get("c"), Some(&b"0"[..]));
        assert_eq!(shown(&fourth), "a=3 up=x up=y b=5 c=6 c=7 c=0 c=9");
        assert!(fourth.says("c", b"7") && !third.says("c", b"9"));
    }

    #[test]
    fn a_long_line_of_parents_takes_no_more_than_its_length() {
        let mut last = InheritedOptions::default();
        for n in 0..100_000 {
            last = last.inherited();
            last.push(&n.to_string(), b"");
        }
        assert_eq!(last.all().len(), 100_000);
        let mut last = InheritedOptions::default();
        for _ in 0..100_000 {
            last = last.inherited();
            last.push("up", b"");
        }
        assert_eq!(last.all().len(), 100_000);
    }
}
