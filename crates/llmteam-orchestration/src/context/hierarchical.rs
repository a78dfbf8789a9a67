//! One context with all that stands under it.
//!
//! Invariant: a tree by value. No context stands in two places, none under itself, and each knows the id of the one
//! it stands under; whoever leaves takes what it contributed along, on every level above.
//! This module does not know secure contexts, viewers, nor when somebody propagates.

use std::{collections::BTreeMap, fmt};

use llmteam_security::{AgentId, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    error::{ContextError, Fault, FaultKind},
    ledger::{Ledger, Report, RuledField},
    propagation::{ContextPropagationConfig, REPORTED_FIELDS},
    scope::ContextScope,
};

/// One context with all that stands under it.
///
/// A value of its own: changing a copy changes nothing else. [`ContextManager`](super::ContextManager) holds the
/// trees that live, and hands copies out.
#[derive(Clone)]
pub struct HierarchicalContext {
    scope: ContextScope,
    owner_id: AgentId,
    parent_id: Option<AgentId>,
    ledger: Ledger,
    children: BTreeMap<AgentId, Self>,
    created_at: Timestamp,
    updated_at: Timestamp,
    access_count: u64,
}

/// What is said of a context to those who stand over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContextSummary {
    /// How far it reaches.
    pub scope: ContextScope,
    /// Whose it is.
    pub owner_id: AgentId,
    /// How many stand directly under it.
    pub children_count: usize,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// How often what stands under it was looked at.
    pub access_count: u64,
}

/// What goes up from one context, by field.
pub(super) type Outgoing = BTreeMap<String, Value>;

impl HierarchicalContext {
    /// A context without data, parent and children.
    pub fn new(scope: ContextScope, owner_id: AgentId, now: Timestamp) -> Self {
        Self {
            scope,
            owner_id,
            parent_id: None,
            ledger: Ledger::default(),
            children: BTreeMap::new(),
            created_at: now,
            updated_at: now,
            access_count: 0,
        }
    }

    /// How far it reaches.
    pub fn scope(&self) -> ContextScope {
        self.scope
    }

    /// Whose it is.
    pub fn owner_id(&self) -> &AgentId {
        &self.owner_id
    }

    /// Whose it stands under.
    pub fn parent_id(&self) -> Option<&AgentId> {
        self.parent_id.as_ref()
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When its data or its children changed last.
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// How often what stands under it was looked at through
    /// [`get_visible_children`](super::ContextManager::get_visible_children).
    pub fn access_count(&self) -> u64 {
        self.access_count
    }

    /// The value of a field: the aggregate where children contribute, else what its owner wrote.
    pub fn get_data(&self, field: &str) -> Option<&Value> {
        self.ledger.get(field)
    }

    /// A copy of all data.
    pub fn data(&self) -> Map<String, Value> {
        self.ledger.to_map()
    }

    /// Writes the owner's value of `field`. Where children contribute, it counts as one contribution more.
    ///
    /// # Errors
    /// [`ContextError::KeptSecurely`] for what a secure context keeps; [`ContextError::Propagation`] if children
    /// contribute and the value does not fit the rule.
    pub fn set_data(
        &mut self,
        field: &str,
        value: Value,
        now: Timestamp,
    ) -> Result<(), ContextError> {
        if self.ledger.is_secured() && REPORTED_FIELDS.contains(&field) {
            return Err(ContextError::KeptSecurely {
                owner_id: self.owner_id.clone(),
                field: field.to_owned(),
            });
        }
        let written = self.ledger.write(field, value);
        written.map_err(|kind| ContextError::Propagation(vec![self.fault(field, kind)]))?;
        self.touch(now);
        Ok(())
    }

    /// Erases the owner's value of `field`; whether there was one. What children contribute stays.
    pub fn remove_data(&mut self, field: &str, now: Timestamp) -> bool {
        let erased = self.ledger.erase(field);
        if erased {
            self.touch(now);
        }
        erased
    }

    /// How many stand directly under it.
    pub fn children_count(&self) -> usize {
        self.children.len()
    }

    /// Who stands directly under it, in the order of their ids.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.children.values()
    }

    /// The child of that id. Does not count as looking at it.
    pub fn get_child_context(&self, child_id: &AgentId) -> Option<&Self> {
        self.children.get(child_id)
    }

    /// Puts `child`, with all that stands under it, under this context.
    ///
    /// # Errors
    /// [`ContextError::ScopeOrder`]; [`ContextError::Duplicate`] if somebody in `child` stands in this tree already.
    pub fn set_child_context(&mut self, child: Self, now: Timestamp) -> Result<(), ContextError> {
        child.fits_under(self)?;
        let owners = self.owners();
        if let Some(twice) = child.owners().into_iter().find(|it| owners.contains(it)) {
            let owner_id = twice.clone();
            return Err(ContextError::Duplicate { owner_id });
        }
        self.attach(child, now);
        Ok(())
    }

    /// Takes the child of that id away, with all that stands under it and all that it contributed; `None` if there
    /// is none.
    pub fn remove_child_context(&mut self, child_id: &AgentId, now: Timestamp) -> Option<Self> {
        let mut child = self.children.remove(child_id)?;
        self.ledger.retract_all(child_id);
        self.touch(now);
        child.parent_id = None;
        child.ledger.withhold();
        Some(child)
    }

    /// What is said of it to those who stand over it.
    pub fn get_summary(&self) -> ContextSummary {
        ContextSummary {
            scope: self.scope,
            owner_id: self.owner_id.clone(),
            children_count: self.children.len(),
            updated_at: self.updated_at,
            access_count: self.access_count,
        }
    }

    /// The context as a JSON object, with its data and without its children.
    pub fn to_dict(&self) -> Map<String, Value> {
        let fields = [
            ("scope", json!(self.scope)),
            ("owner_id", json!(self.owner_id)),
            ("parent_id", json!(self.parent_id)),
            ("data", Value::Object(self.data())),
            ("children_count", json!(self.children.len())),
            ("created_at", json!(self.created_at)),
            ("updated_at", json!(self.updated_at)),
            ("access_count", json!(self.access_count)),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Whether it may stand directly under `parent`.
    pub(super) fn fits_under(&self, parent: &Self) -> Result<(), ContextError> {
        if self.scope.fits_under(parent.scope) {
            return Ok(());
        }
        Err(ContextError::ScopeOrder {
            owner_id: self.owner_id.clone(),
            scope: self.scope,
            parent_id: parent.owner_id.clone(),
            parent_scope: parent.scope,
        })
    }

    /// Puts `child` under this context; the caller has checked that it may.
    pub(super) fn attach(&mut self, mut child: Self, now: Timestamp) {
        child.parent_id = Some(self.owner_id.clone());
        self.children.insert(child.owner_id.clone(), child);
        self.touch(now);
    }

    /// Takes away who stands at the end of `path`, which starts below this context, and brings what it had a part in
    /// up to date on the levels between, as far as `may_go_up` says of a context and a field. Says which fields
    /// those are.
    pub(super) fn detach(
        &mut self,
        path: &[AgentId],
        may_go_up: &dyn Fn(&AgentId, &str) -> bool,
        now: Timestamp,
    ) -> Option<(Self, Vec<RuledField>)> {
        let (next, rest) = path.split_first()?;
        if rest.is_empty() {
            let fields = self.ledger.contributed_by(next);
            return Some((self.remove_child_context(next, now)?, fields));
        }
        let child = self.children.get_mut(next)?;
        let (gone, fields) = child.detach(rest, may_go_up, now)?;
        for (field, rule) in &fields {
            let ledger = &child.ledger;
            // The child's own value was admitted while somebody contributed to the field: there is no fault.
            let left = ledger.outgoing((field, *rule), ledger.report(), None);
            let left = left.ok().flatten().filter(|_| may_go_up(next, field));
            self.ledger.refresh(next, field, left);
        }
        if !fields.is_empty() {
            self.touch(now);
        }
        Some((gone, fields))
    }

    /// Who stands at the end of `path`, which starts below this context.
    pub(super) fn at(&self, path: &[AgentId]) -> Option<&Self> {
        path.iter().try_fold(self, |it, next| it.children.get(next))
    }

    pub(super) fn at_mut(&mut self, path: &[AgentId]) -> Option<&mut Self> {
        path.iter()
            .try_fold(self, |it, next| it.children.get_mut(next))
    }

    /// The owners of this context and of all under it, those below first.
    pub(super) fn owners(&self) -> Vec<&AgentId> {
        let below = self.children.values().flat_map(Self::owners);
        below.chain([&self.owner_id]).collect()
    }

    /// What goes up from here when `report` is what the one above may learn, and `arriving` what one of those below
    /// contributes from now on. Values that do not fit are put into `faults`.
    pub(super) fn outgoing(
        &self,
        config: &ContextPropagationConfig,
        report: &Report,
        arriving: Option<(&AgentId, &Outgoing)>,
        faults: &mut Vec<Fault>,
    ) -> Outgoing {
        let mut outgoing = Outgoing::new();
        for (field, rule) in config.upward() {
            let arriving = arriving.map(|(child, values)| (child, values.get(field)));
            match self.ledger.outgoing((field, rule), report, arriving) {
                Ok(value) => outgoing.extend(value.map(|it| (field.to_owned(), it))),
                Err(kind) => self.blame(field, kind, faults),
            }
        }
        outgoing
    }

    /// Puts the owner's values that cannot be aggregated with what arrives into `faults`.
    pub(super) fn check(
        &self,
        config: &ContextPropagationConfig,
        arriving: &Outgoing,
        faults: &mut Vec<Fault>,
    ) {
        for (field, rule) in config.upward().filter(|(it, _)| arriving.contains_key(*it)) {
            let own = self.ledger.own(field).map_or(Ok(()), |it| rule.admit(it));
            if let Err(kind) = own {
                self.blame(field, kind, faults);
            }
        }
    }

    /// Takes what `child` contributes from now on; whether something changed.
    pub(super) fn receive(
        &mut self,
        config: &ContextPropagationConfig,
        child: &AgentId,
        arriving: &Outgoing,
        now: Timestamp,
    ) -> bool {
        let mut changed = false;
        for (field, rule) in config.upward() {
            let value = arriving.get(field);
            changed |= self.ledger.contribute(child, (field, rule), value);
        }
        if changed {
            self.touch(now);
        }
        changed
    }

    /// Copies `fields` to all children; whether somebody's value changed.
    pub(super) fn hand_down(&mut self, fields: &[&str], now: Timestamp) -> bool {
        let values: Vec<_> = fields
            .iter()
            .filter_map(|field| Some((*field, self.ledger.get(field)?)))
            .collect();
        let mut changed = false;
        for child in self.children.values_mut() {
            for (field, value) in &values {
                // What travels down never travels up: nobody contributes to it, and every value fits.
                if child.ledger.get(field) != Some(value)
                    && child.ledger.write(field, (*value).clone()).is_ok()
                {
                    child.touch(now);
                    changed = true;
                }
            }
        }
        changed
    }

    /// What the one above may learn from now on.
    pub(super) fn set_report(&mut self, report: Report) {
        self.ledger.set_report(report);
    }

    /// Leaves the reported fields to a secure context.
    pub(super) fn secure(&mut self) -> Result<(), ContextError> {
        let owner_id = self.owner_id.clone();
        if self.ledger.is_secured() {
            return Err(ContextError::AlreadySecured { owner_id });
        }
        let written = REPORTED_FIELDS
            .into_iter()
            .find(|it| self.ledger.own(it).is_some());
        if let Some(field) = written {
            let field = field.to_owned();
            return Err(ContextError::KeptSecurely { owner_id, field });
        }
        self.ledger.set_report(Report::Withheld);
        Ok(())
    }

    /// Counts that somebody looked at what stands under it.
    pub(super) fn count_access(&mut self) {
        self.access_count = self.access_count.saturating_add(1);
    }

    /// Puts a fault into `faults`, once.
    fn blame(&self, field: &str, kind: FaultKind, faults: &mut Vec<Fault>) {
        let fault = self.fault(field, kind);
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }

    fn fault(&self, field: &str, kind: FaultKind) -> Fault {
        Fault {
            owner_id: self.owner_id.clone(),
            field: field.to_owned(),
            kind,
        }
    }

    fn touch(&mut self, now: Timestamp) {
        self.updated_at = self.updated_at.max(now);
    }
}

/// Shows who and where, and no data.
impl fmt::Debug for HierarchicalContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HierarchicalContext")
            .field("scope", &self.scope)
            .field("owner_id", &self.owner_id)
            .field("parent_id", &self.parent_id)
            .field("children", &self.children.keys())
            .finish_non_exhaustive()
    }
}
