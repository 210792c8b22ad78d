//! How many observations become one row: JSON, deflated. Repeated keys and near-equal values
//! shrink to a few bytes per observation, and any later version can read it.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use whydown_core::observation::Observation;

use super::{StoreError, to_ms};

/// Most observations in one row, so that reading one back takes bounded memory.
pub(super) const BATCH_MAX: usize = 4_096;
/// Nothing that we wrote unpacks to more.
const UNPACKED_MAX_BYTES: u64 = 256 << 20;
/// The first byte of a body: how it is packed.
const DEFLATED_JSON: u8 = 1;

/// One observation in a batch or block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Packed<O = Observation> {
    #[serde(rename = "m")]
    pub(super) monitor: i64,
    #[serde(rename = "l")]
    pub(super) location: i64,
    #[serde(rename = "o")]
    pub(super) observation: O,
}

fn bad(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what: "a batch of observations", detail: error.to_string() }
}

/// Packs observations into a body.
pub(super) fn pack<O: Serialize>(observations: &[Packed<O>]) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(observations).map_err(|error| bad(&error))?;
    deflate(&[&json])
}

/// The reverse.
pub(super) fn unpack(body: &[u8]) -> Result<Vec<Packed>, StoreError> {
    serde_json::from_slice(&inflate(body)?).map_err(|error| bad(&error))
}

fn deflate(json: &[&[u8]]) -> Result<Vec<u8>, StoreError> {
    let mut encoder = DeflateEncoder::new(vec![DEFLATED_JSON], Compression::default());
    for part in json {
        encoder.write_all(part).map_err(|error| bad(&error))?;
    }
    encoder.finish().map_err(|error| bad(&error))
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, StoreError> {
    let Some((&DEFLATED_JSON, rest)) = body.split_first() else {
        return Err(bad(&"unknown format"));
    };
    let mut json = Vec::new();
    let read = DeflateDecoder::new(rest).take(UNPACKED_MAX_BYTES).read_to_end(&mut json);
    read.map_err(|error| bad(&error))?;
    Ok(json)
}

/// Observations on their way into a block, as text: what is there already need not be understood
/// to be joined by more.
#[derive(Default)]
pub(super) struct Rows {
    /// An array without its brackets.
    json: Vec<u8>,
    pub(super) count: i64,
    /// The beginning of the earliest one pushed.
    pub(super) from_ms: i64,
}

impl Rows {
    pub(super) fn push(&mut self, row: &Packed) -> Result<(), StoreError> {
        let at = to_ms(row.observation.at);
        self.from_ms = if self.count == 0 { at } else { self.from_ms.min(at) };
        self.count += 1;
        if !self.json.is_empty() {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, row).map_err(|error| bad(&error))
    }

    /// A body of these, after those of an older one.
    pub(super) fn pack(&self, before: Option<&[u8]>) -> Result<Vec<u8>, StoreError> {
        let Some(before) = before else { return deflate(&[b"[", &self.json, b"]"]) };
        let old = inflate(before)?;
        match old.as_slice() {
            [old @ .., b']'] if old.len() > 1 => deflate(&[old, b",", &self.json, b"]"]),
            _ => Err(bad(&"no array")),
        }
    }
}

/// Numbers as ascending differences in LEB128: about one byte per monitor.
pub(super) fn pack_ids(mut ids: Vec<i64>) -> Vec<u8> {
    ids.sort_unstable();
    ids.dedup();
    let mut bytes = Vec::with_capacity(ids.len());
    let mut last = 0;
    for id in ids {
        let mut rest = id.abs_diff(last);
        last = id;
        while rest >= 0x80 {
            bytes.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap_or_default());
    }
    bytes
}

/// Is `id` among them?
pub(super) fn ids_contain(bytes: &[u8], id: i64) -> bool {
    let mut current: u64 = 0;
    let mut difference: u64 = 0;
    let mut shift = 0;
    for byte in bytes {
        difference |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 != 0 {
            shift += 7;
            continue;
        }
        current += difference;
        if current >= id.unsigned_abs() {
            return current == id.unsigned_abs();
        }
        (difference, shift) = (0, 0);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_again_and_others_are_not() {
        let ids = vec![1, 2, 300, 70_000, 5_000_000_000];
        let bytes = pack_ids(ids.iter().rev().copied().collect());
        for id in &ids {
            assert!(ids_contain(&bytes, *id), "{id}");
            assert!(!ids_contain(&bytes, *id + 7), "{id} + 7");
        }
        assert!(!ids_contain(&[], 1));
    }
}
