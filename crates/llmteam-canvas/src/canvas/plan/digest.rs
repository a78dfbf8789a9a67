//! The version of a plan: a hash over everything that it was compiled from.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::canvas::catalog::StepTypeMetadata;
use crate::canvas::definition::SegmentDefinition;

/// SHA-256, in hex, over RFC 8785 JSON of the definition and the metadata of every step type that it uses.
pub(super) fn digest(
    definition: &SegmentDefinition,
    types: &[&StepTypeMetadata],
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Source<'a> {
        definition: serde_json::Value,
        types: &'a [&'a StepTypeMetadata],
        primary_outputs: Vec<Option<&'a str>>,
    }
    let source = Source {
        definition: definition.to_value()?,
        types,
        primary_outputs: types
            .iter()
            .map(|it| it.primary_output.as_deref())
            .collect(),
    };
    let bytes = serde_json_canonicalizer::to_vec(&source)?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)))
}
