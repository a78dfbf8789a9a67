//! What one activation of a step receives.

use std::sync::Arc;

use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::PortName;

/// The input object of an activation, its subject, and for joins the slot values.
///
/// Values are shared and immutable. The object itself is built only when somebody asks for it.
#[derive(Debug, Clone)]
pub struct StepInput {
    ports: Ports,
    subject: Subject,
    slots: Vec<Arc<Value>>,
}

/// Values by port, in the order in which the ports were first connected.
pub type PortValues = SmallVec<[(PortName, Arc<Value>); 1]>;

#[derive(Debug, Clone)]
enum Ports {
    /// The run input itself.
    Run(Arc<Value>),
    /// Values by port.
    Named(PortValues),
}

#[derive(Debug, Clone)]
enum Subject {
    /// The whole input object.
    Whole,
    /// The value of the one port that all edges name.
    One(Arc<Value>),
}

impl StepInput {
    /// The first activation of the entrypoint: the run input is input object and subject.
    pub fn of_run(input: Arc<Value>) -> Self {
        Self {
            ports: Ports::Run(input),
            subject: Subject::Whole,
            slots: Vec::new(),
        }
    }

    /// Values by port; the subject is the whole object.
    pub fn of_ports(ports: PortValues) -> Self {
        Self {
            ports: Ports::Named(ports),
            subject: Subject::Whole,
            slots: Vec::new(),
        }
    }

    /// The same input with the value of one port as its subject.
    #[must_use]
    pub fn with_subject(mut self, value: Arc<Value>) -> Self {
        self.subject = Subject::One(value);
        self
    }

    /// The same input with a join's slot values, in slot order.
    #[must_use]
    pub fn with_slots(mut self, slots: Vec<Arc<Value>>) -> Self {
        self.slots = slots;
        self
    }

    /// The value on a port; for the run input, the field of that name.
    pub fn port(&self, name: &str) -> Option<&Value> {
        match &self.ports {
            Ports::Run(input) => input.get(name),
            Ports::Named(ports) => ports
                .iter()
                .find(|(port, _)| &**port == name)
                .map(|(_, value)| &**value),
        }
    }

    /// The input object `{port: value}`.
    pub fn object(&self) -> Arc<Value> {
        match &self.ports {
            Ports::Run(input) => Arc::clone(input),
            Ports::Named(ports) => {
                let fields: Map<String, Value> = ports
                    .iter()
                    .map(|(port, value)| (port.to_string(), Value::clone(value)))
                    .collect();
                Arc::new(Value::Object(fields))
            }
        }
    }

    /// What a single-input step works on.
    pub fn subject(&self) -> Arc<Value> {
        match &self.subject {
            Subject::Whole => self.object(),
            Subject::One(value) => Arc::clone(value),
        }
    }

    /// The values of a join's slots, in slot order; empty for every other step.
    pub fn slots(&self) -> &[Arc<Value>] {
        &self.slots
    }
}
