//! JSON merge patch (RFC 7396) for monitors, whose durations have two spellings.

use serde_json::{Map, Value};

/// Deepest object that is merged; below it a patch replaces.
const DEPTH_MAX: usize = 8;

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
        object.remove(&twin(key));
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
fn twin(key: &str) -> String {
    key.strip_suffix("_ms").map_or_else(|| format!("{key}_ms"), str::to_owned)
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
    fn a_patch_into_nothing_drops_its_nulls() {
        let patch = json!({"name": "a", "timeout": null, "expect": {"status": null}});
        assert_eq!(merged(&json!({}), &patch), json!({"name": "a", "expect": {}}));
    }
}
