//! Starting once: a caller's own key for a start, bound to one run.

use llmteam_security::clock::Timestamp;
use llmteam_security::id::{RunId, SegmentId, TenantId};

/// A start that is to happen once, however often it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// The segment that is started.
    pub segment: SegmentId,
    /// The caller's key; it means something in this tenant and segment only.
    pub key: String,
    /// The run that the start makes, unless the key is bound already.
    pub run: RunId,
    /// Hash of the run input.
    pub input_hash: String,
    /// When it is asked for.
    pub at: Timestamp,
    /// When the key may be used anew.
    pub until: Timestamp,
}

/// What a key is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundStart {
    /// The run.
    pub run: RunId,
    /// Hash of the input that it began with.
    pub input_hash: String,
}
