//! JSON merge patch (RFC 7396) for monitors, whose durations have two spellings.

use serde_json::{Map, Value};

/// Deepest object that is merged; below it a patch replaces.
const DEPTH_MAX: usize = 8;

/// Durations by their two spellings.
const DURATIONS: [(&str, &str); 3] =
    [("interval", "interval_ms"), ("timeout", "timeout_ms"), ("latency", "latency_ms")];

/// `now` with `patch` put over it: `null` takes a key away, objects are merged, everything else
/// replaces. `interval` and `interval_ms` are two names of one thing; the patch's one stays.
#[must_use]
pub(crate) fn merged(now: &Value, patch: &Value) -> Value {
    merge(now, patch, DEPTH_MAX)
}

fn merge(now: &Value, patch: &Value, depth: usize) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut object = match now {
        Value::Object(object) if depth > 0 => object.clone(),
        _ => Map::new(),
    };
    for (key, change) in changes {
        if let Some(twin) = twin(key) {
            object.remove(twin);
        }
        if change.is_null() {
            object.remove(key);
            continue;
        }
        let old = object.get(key).unwrap_or(&Value::Null);
        let new = merge(old, change, depth.saturating_sub(1));
        object.insert(key.clone(), new);
    }
    Value::Object(object)
}

/// The other spelling of a duration.
fn twin(key: &str) -> Option<&'static str> {
    let found = DURATIONS.into_iter().find(|(text, ms)| key == *text || key == *ms);
    found.map(|(text, ms)| if key == text { ms } else { text })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_replaces_merges_and_removes() {
        let expect = json!({"status": "200", "contains": ["x"]});
        let now = json!({"name": "a", "interval_ms": 30000, "expect": expect});
        let patch = json!({"interval": "1m", "expect": {"contains": null, "latency": "2s"}});
        assert_eq!(
            merged(&now, &patch),
            json!({"name": "a", "interval": "1m", "expect": {"status": "200", "latency": "2s"}})
        );
    }

    #[test]
    fn the_patch_decides_about_the_spelling() {
        let now = json!({"interval": "30s"});
        assert_eq!(merged(&now, &json!({"interval_ms": 1000})), json!({"interval_ms": 1000}));
        assert_eq!(merged(&json!({"interval_ms": 5}), &json!({"interval": null})), json!({}));
    }

    #[test]
    fn other_keys_have_no_second_spelling() {
        let now = json!({"headers": {"age_ms": "1"}});
        let patch = json!({"headers": {"age": "2"}});
        assert_eq!(merged(&now, &patch), json!({"headers": {"age": "2", "age_ms": "1"}}));
    }

    #[test]
    fn a_patch_into_nothing_drops_its_nulls() {
        let patch = json!({"name": "a", "timeout": null, "expect": {"status": null}});
        assert_eq!(merged(&json!({}), &patch), json!({"name": "a", "expect": {}}));
    }
}
