//! What names stand for, in a map of which a copy costs nothing: copies share all that they have in
//! common, and a change takes as many steps as there are digits in the number of names.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// How many bits of a name's hash lead on from one node.
const STEP: u32 = 2;

/// A tree of nodes, each with a name of its own and the names below it.
#[derive(Debug, Clone)]
pub struct SharedMap<V>(Option<Arc<Node<V>>>);

#[derive(Debug, Clone)]
struct Node<V> {
    name: Arc<str>,
    value: V,
    below: [SharedMap<V>; 1 << STEP],
}

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<V> Node<V> {
    /// Which of those below leads on to a name of this hash.
    fn place(hash: u64) -> usize {
        usize::try_from(hash).unwrap_or(usize::MAX) % (1 << STEP)
    }
}

impl<V> SharedMap<V> {
    /// What a name stands for.
    pub fn get(&self, name: &str) -> Option<&V> {
        let (mut at, mut hash) = (self, hash(name));
        while let Some(node) = &at.0 {
            if *node.name == *name {
                return Some(&node.value);
            }
            at = node.below.get(Node::<V>::place(hash))?;
            hash >>= STEP;
        }
        None
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        let mut left: Vec<&Self> = vec![self];
        std::iter::from_fn(move || loop {
            if let Some(node) = &left.pop()?.0 {
                left.extend(&node.below);
                return Some((&*node.name, &node.value));
            }
        })
    }
}

impl<V: Clone> SharedMap<V> {
    /// Has a name stand for something, here and in no copy.
    pub fn set(&mut self, name: &str, value: V) {
        self.set_below(name, hash(name), value);
    }

    fn set_below(&mut self, name: &str, hash: u64, value: V) {
        let Some(node) = &mut self.0 else {
            let (name, below) = (name.into(), Default::default());
            self.0 = Some(Arc::new(Node { name, value, below }));
            return;
        };
        let node = Arc::make_mut(node);
        if *node.name == *name {
            node.value = value;
        } else if let Some(next) = node.below.get_mut(Node::<V>::place(hash)) {
            next.set_below(name, hash >> STEP, value);
        }
    }
}

/// The same at each run: the standard library's maps ask the kernel for random bytes.
fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_what_they_have_and_no_changes() {
        let mut copies: Vec<SharedMap<usize>> = vec![SharedMap::default()];
        for n in 0..1000 {
            let mut next = copies[n].clone();
            next.set(&n.to_string(), n);
            next.set("each", n);
            copies.push(next);
        }
        for (n, copy) in copies.iter().enumerate() {
            assert_eq!(copy.iter().count(), n + usize::from(n > 0));
            let last = n.checked_sub(1);
            assert_eq!(copy.get("each").copied(), last);
            for other in [0, n.saturating_sub(1), n, 999] {
                let expected = Some(other).filter(|other| *other < n);
                assert_eq!(copy.get(&other.to_string()).copied(), expected, "{n}");
            }
        }
    }

    #[test]
    fn a_change_is_a_few_steps() {
        let mut map = SharedMap::default();
        for n in 0..10_000 {
            map.set(&n.to_string(), n);
        }
        let (mut deepest, mut left) = (0, vec![(&map, 0)]);
        while let Some((at, depth)) = left.pop() {
            if let Some(node) = &at.0 {
                deepest = deepest.max(depth);
                left.extend(node.below.iter().map(|below| (below, depth + 1)));
            }
        }
        assert!(deepest < 20, "{deepest}");
    }
}
