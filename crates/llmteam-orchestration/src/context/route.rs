//! The way up from a context, and what each parent on it may learn of its child.
//!
//! Invariant: a parent learns what it would be shown if it asked, through its own viewer; each asking is recorded
//! once by the secure context, whether or not it is allowed. While a report is in use, its context does not change.
//! This module does not know what becomes of a report.

use std::{collections::BTreeMap, sync::Arc};

use llmteam_security::context::{
    ContextAccessError, GrantedView, SecureAgentContext, Subject, Viewer,
};
use serde_json::Value;
use tokio::sync::OwnedRwLockReadGuard;

use super::{
    ledger::Report,
    own::SharedSecureContext,
    propagation::{ContextPropagationConfig, REPORTED_FIELDS},
};

/// One link on the way up.
pub(super) struct Hop {
    pub(super) child: Subject,
    pub(super) secure: Option<SharedSecureContext>,
    pub(super) parent: Subject,
    pub(super) viewer: Arc<Viewer>,
}

/// Holds a secure context as it is.
pub(super) type Held = Option<OwnedRwLockReadGuard<SecureAgentContext>>;

/// Waits until `secure` is not being changed, and keeps it from being changed.
pub(super) async fn hold(secure: Option<&SharedSecureContext>) -> Held {
    match secure {
        Some(secure) => Some(secure.clone().read_owned().await),
        None => None,
    }
}

impl Hop {
    /// Whether it is the same link between the same two, as well secured.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.child == other.child
            && self.parent == other.parent
            && self.secure.is_some() == other.secure.is_some()
    }

    /// What the parent may learn of the child, which `held` is the secure context of.
    pub(super) async fn ask(
        &self,
        held: &Held,
        config: &ContextPropagationConfig,
    ) -> Result<Report, ContextAccessError> {
        let Some(secure) = held else {
            return Ok(Report::Open);
        };
        let view = secure.get_visible_context(&self.viewer).await?;
        Ok(view
            .granted()
            .map_or(Report::Withheld, |view| Report::Shown {
                values: reported(view),
                closed: config
                    .propagate_up()
                    .iter()
                    .filter(|field| !secure.lets_out(field))
                    .cloned()
                    .collect(),
            }))
    }
}

fn reported(view: &GrantedView) -> BTreeMap<String, Value> {
    let shown = REPORTED_FIELDS
        .into_iter()
        .filter_map(|field| Some((field.to_owned(), view.get(field)?.clone())));
    shown.collect()
}
