//! A list that holds each thing once, in the order in which things came.

use std::collections::hash_map::DefaultHasher;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

/// Up to this many are searched one by one: a usual stanza has four routes and rules, and hashing
/// one costs more than comparing it with these.
const FEW: usize = 16;

/// Things in order, each once. Of many there is an index of their hashes, so that no question is put
/// to all of them.
#[derive(Debug, Clone)]
pub struct Once<T> {
    things: Vec<T>,
    /// The hash of each thing with its place; none while there are few.
    places: Option<BTreeSet<(u64, usize)>>,
}

/// The same in every run, so that what depends on it can be repeated.
fn hash(thing: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}

impl<T: Eq + Hash> Once<T> {
    pub fn as_slice(&self) -> &[T] {
        &self.things
    }

    pub fn contains(&self, thing: &T) -> bool {
        self.place(thing).is_some()
    }

    fn place(&self, thing: &T) -> Option<usize> {
        let Some(places) = &self.places else {
            return self.things.iter().position(|other| other == thing);
        };
        let hash = hash(thing);
        let mut alike = places.range((hash, 0)..=(hash, usize::MAX));
        let found = alike.find(|(_, place)| self.things.get(*place) == Some(thing));
        found.map(|(_, place)| *place)
    }

    /// Adds a thing, unless it is there.
    pub fn insert(&mut self, thing: T) {
        if self.contains(&thing) {
            return;
        }
        let place = self.things.len();
        if let Some(places) = &mut self.places {
            places.insert((hash(&thing), place));
            self.things.push(thing);
        } else {
            self.things.push(thing);
            if place >= FEW {
                self.index();
            }
        }
    }

    /// Takes a thing out, if it is there.
    pub fn remove(&mut self, thing: &T) {
        if let Some(place) = self.place(thing) {
            self.things.remove(place);
            self.index();
        }
    }

    fn index(&mut self) {
        let places = self.things.iter().map(hash).zip(0..);
        self.places = (self.things.len() > FEW).then(|| places.collect());
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self {
            things: Vec::new(),
            places: None,
        }
    }
}

/// The order counts.
impl<T: PartialEq> PartialEq for Once<T> {
    fn eq(&self, other: &Self) -> bool {
        self.things == other.things
    }
}

impl<T: Eq> Eq for Once<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts how often it is compared or hashed.
    #[derive(Debug, Clone, Eq)]
    struct Counted(usize);

    fn look() {
        LOOKS.with(|looks| looks.set(looks.get() + 1));
    }

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            look();
            self.0 == other.0
        }
    }

    impl Hash for Counted {
        fn hash<H: Hasher>(&self, state: &mut H) {
            look();
            self.0.hash(state);
        }
    }

    fn once(things: impl Iterator<Item = usize>) -> Once<Counted> {
        let mut once = Once::default();
        things.for_each(|thing| once.insert(Counted(thing)));
        once
    }

    #[test]
    fn things_keep_their_order_and_are_there_once() {
        for many in [3, FEW, FEW + 1, 300] {
            let mut things = once((0..many).chain(0..many).rev());
            let order: Vec<usize> = things.as_slice().iter().map(|thing| thing.0).collect();
            assert_eq!(order, (0..many).rev().collect::<Vec<_>>());
            things.remove(&Counted(1));
            assert!(!things.contains(&Counted(1)) && things.contains(&Counted(0)));
            things.remove(&Counted(2));
            things.insert(Counted(1));
            assert_eq!(things.as_slice().last(), Some(&Counted(1)));
            assert_eq!(things.as_slice().len(), many - 1);
            assert_eq!(things, things.clone());
        }
    }

    #[test]
    fn twice_as_many_are_twice_the_work() {
        let looks = |many: usize| {
            LOOKS.with(|looks| looks.set(0));
            let things = once(0..many);
            assert!((0..many).all(|thing| things.contains(&Counted(thing))));
            assert!(!things.contains(&Counted(many)));
            LOOKS.with(Cell::get)
        };
        let (one, two) = (looks(5_000), looks(10_000));
        assert!(two * 2 < one * 5, "{one} looks, {two} for twice as many");
    }
}
