//! Values by key, in two blocks of memory, whatever the number of keys: most keys have one value.

use serde::{Deserialize, Serialize};

/// Keys, each with its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grouped<K, V> {
    /// Each key with the end of its values, which begin where those of the key before end.
    keys: Box<[(K, u32)]>,
    values: Box<[V]>,
}

impl<K, V> Default for Grouped<K, V> {
    fn default() -> Self {
        Self {
            keys: Box::default(),
            values: Box::default(),
        }
    }
}

impl<K, V> Grouped<K, V> {
    /// All keys with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &[V])> {
        (0..self.keys.len()).filter_map(|at| Some((&self.keys[at].0, self.at(at)?)))
    }

    /// The values of the key with this index. Whoever wrote the facts that are read from a cache
    /// may have written ends that do not fit.
    pub fn at(&self, index: usize) -> Option<&[V]> {
        let end = self.keys.get(index)?.1 as usize;
        let start = match index.checked_sub(1) {
            Some(before) => self.keys[before].1 as usize,
            None => 0,
        };
        self.values.get(start..end)
    }
}

impl<K: Ord + Copy, V> Grouped<K, V> {
    /// Brings values of one key together, in their order; the keys are sorted.
    pub fn sorted(mut values: Vec<(K, V)>) -> Self {
        values.sort_by_key(|(key, _)| *key);
        let mut keys: Vec<(K, u32)> = Vec::new();
        for (end, (key, _)) in (1..).zip(&values) {
            match keys.last_mut() {
                Some(last) if last.0 == *key => last.1 = end,
                _ => keys.push((*key, end)),
            }
        }
        Self {
            keys: keys.into(),
            values: values.into_iter().map(|(_, value)| value).collect(),
        }
    }

    /// The values of a key, where the keys are sorted.
    pub fn get(&self, key: &K) -> Option<&[V]> {
        let index = self.keys.binary_search_by(|(known, _)| known.cmp(key));
        self.at(index.ok()?)
    }
}

/// The keys keep their order.
impl<K, V> FromIterator<(K, Vec<V>)> for Grouped<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, Vec<V>)>>(groups: I) -> Self {
        let mut keys = Vec::new();
        let mut all = Vec::new();
        for (key, values) in groups {
            all.extend(values);
            keys.push((key, u32::try_from(all.len()).unwrap_or(u32::MAX)));
        }
        Self {
            keys: keys.into(),
            values: all.into(),
        }
    }
}
