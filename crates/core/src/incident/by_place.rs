//! What every place has seen, by its name. A server holds thousands of these with a dozen places
//! each, twice: they lie side by side, without room to spare, and copies share the names.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Place;

/// Places by name, in the order of their names. In JSON it is an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(Vec<(Arc<str>, Place)>);

impl Places {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Has nobody been heard of?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Place> {
        self.0.get(self.find(name).ok()?).map(|(_, place)| place)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Place> {
        let index = self.find(name).ok()?;
        self.0.get_mut(index).map(|(_, place)| place)
    }

    /// Has this one been heard of?
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// One of them, which is new if it is not there.
    pub(super) fn get_or_insert_with(
        &mut self,
        name: &str,
        fresh: impl FnOnce() -> Place,
    ) -> &mut Place {
        let index = self.find(name).unwrap_or_else(|index| {
            self.0.reserve_exact(1);
            self.0.insert(index, (name.into(), fresh()));
            index
        });
        &mut self.0[index].1
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, name: &str) {
        if let Ok(index) = self.find(name) {
            self.0.remove(index);
        }
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Place)> + Clone {
        self.0.iter().map(|(name, place)| (&**name, place))
    }

    /// The same, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Place)> {
        self.0.iter_mut().map(|(name, place)| (&**name, place))
    }

    /// Their names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// What they have seen.
    pub fn values(&self) -> impl Iterator<Item = &Place> + Clone {
        self.iter().map(|(_, place)| place)
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        self.0.iter_mut().map(|(_, place)| place)
    }
}

impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = BTreeMap::<String, Place>::deserialize(deserializer)?;
        Ok(Self(all.into_iter().map(|(name, place)| (name.into(), place)).collect()))
    }
}
