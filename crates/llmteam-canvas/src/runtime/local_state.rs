//! What a step keeps for itself between attempts.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Step-local state: values by name. Cheap to clone, and nothing at all while it is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocalState(Option<Arc<Map<String, Value>>>);

impl LocalState {
    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.as_ref()?.get(name)
    }

    /// Sets a value.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) {
        Arc::make_mut(self.0.get_or_insert_default()).insert(name.into(), value);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|it| it.is_empty())
    }
}

impl From<Map<String, Value>> for LocalState {
    fn from(values: Map<String, Value>) -> Self {
        Self((!values.is_empty()).then(|| Arc::new(values)))
    }
}

impl Serialize for LocalState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(values) => values.serialize(serializer),
            None => serializer.serialize_map(Some(0))?.end(),
        }
    }
}

impl<'de> Deserialize<'de> for LocalState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_a_json_object_empty_or_not() {
        let mut state = LocalState::default();
        assert!(state.is_empty());
        assert_eq!(serde_json::to_value(&state).unwrap(), json!({}));
        let before = state.clone();
        state.insert("n", json!(1));
        assert_eq!((state.get("n"), before.get("n")), (Some(&json!(1)), None));
        let read: LocalState = serde_json::from_value(json!({"n": 1})).unwrap();
        assert_eq!(read, state);
        assert!(
            serde_json::from_value::<LocalState>(json!({}))
                .unwrap()
                .is_empty()
        );
    }
}
