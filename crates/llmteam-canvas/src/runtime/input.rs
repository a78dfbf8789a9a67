//! What one activation of a step receives.

use std::sync::Arc;

use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::PortName;

/// The input object of an activation, its subject, and for joins the slot values.
///
/// Values are shared and immutable, so an input is cheap to clone. The object itself is built only
/// when somebody asks for it.
#[derive(Debug, Clone)]
pub struct StepInput(Kind);

/// Values by port, in the order in which the ports were first connected.
pub type PortValues = SmallVec<[(PortName, Arc<Value>); 1]>;

#[derive(Debug, Clone)]
enum Kind {
    /// The run input itself, which is the subject too.
    Run(Arc<Value>),
    /// A value on the one port that all edges name; it is the subject too.
    Port(PortName, Arc<Value>),
    /// Everything else.
    Full(Arc<Full>),
}

#[derive(Debug, Clone)]
struct Full {
    ports: Ports,
    /// None: the whole input object.
    subject: Option<Arc<Value>>,
    slots: Vec<Arc<Value>>,
}

#[derive(Debug, Clone)]
enum Ports {
    Run(Arc<Value>),
    /// Values by port.
    Named(PortValues),
}

impl StepInput {
    /// The first activation of the entrypoint: the run input is input object and subject.
    pub fn of_run(input: Arc<Value>) -> Self {
        Self(Kind::Run(input))
    }

    /// A value on the one port that all edges name: it is the subject too.
    pub fn of_port(port: PortName, value: Arc<Value>) -> Self {
        Self(Kind::Port(port, value))
    }

    /// Values by port; the subject is the whole object.
    pub fn of_ports(ports: PortValues) -> Self {
        Self(Kind::Full(Arc::new(Full {
            ports: Ports::Named(ports),
            subject: None,
            slots: Vec::new(),
        })))
    }

    /// The same input with another subject.
    #[must_use]
    pub fn with_subject(self, value: Arc<Value>) -> Self {
        let subject = Some(value);
        Self(Kind::Full(Arc::new(Full {
            subject,
            ..self.into_full()
        })))
    }

    /// The same input with a join's slot values, in slot order.
    #[must_use]
    pub fn with_slots(self, slots: Vec<Arc<Value>>) -> Self {
        Self(Kind::Full(Arc::new(Full {
            slots,
            ..self.into_full()
        })))
    }

    fn into_full(self) -> Full {
        let (ports, subject) = match self.0 {
            Kind::Full(full) => return Arc::unwrap_or_clone(full),
            Kind::Run(input) => (Ports::Run(input), None),
            Kind::Port(port, value) => {
                let subject = Arc::clone(&value);
                (
                    Ports::Named(PortValues::from_iter([(port, value)])),
                    Some(subject),
                )
            }
        };
        Full {
            ports,
            subject,
            slots: Vec::new(),
        }
    }

    /// The value on a port; for the run input, the field of that name.
    pub fn port(&self, name: &str) -> Option<&Value> {
        match &self.0 {
            Kind::Run(input) => input.get(name),
            Kind::Port(port, value) => (&**port == name).then_some(&**value),
            Kind::Full(full) => full.ports.get(name),
        }
    }

    /// The input object `{port: value}`.
    pub fn object(&self) -> Arc<Value> {
        match &self.0 {
            Kind::Run(input) => Arc::clone(input),
            Kind::Port(port, value) => object([(port, value)]),
            Kind::Full(full) => full.ports.object(),
        }
    }

    /// What a single-input step works on.
    pub fn subject(&self) -> Arc<Value> {
        match &self.0 {
            Kind::Run(value) | Kind::Port(_, value) => Arc::clone(value),
            Kind::Full(full) => match &full.subject {
                Some(value) => Arc::clone(value),
                None => full.ports.object(),
            },
        }
    }

    /// The values of a join's slots, in slot order; empty for every other step.
    pub fn slots(&self) -> &[Arc<Value>] {
        match &self.0 {
            Kind::Full(full) => &full.slots,
            _ => &[],
        }
    }
}

impl Ports {
    fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Run(input) => input.get(name),
            Self::Named(ports) => ports
                .iter()
                .find(|(port, _)| &**port == name)
                .map(|(_, value)| &**value),
        }
    }

    fn object(&self) -> Arc<Value> {
        match self {
            Self::Run(input) => Arc::clone(input),
            Self::Named(ports) => object(ports.iter().map(|(port, value)| (port, value))),
        }
    }
}

fn object<'a>(ports: impl IntoIterator<Item = (&'a PortName, &'a Arc<Value>)>) -> Arc<Value> {
    let fields: Map<String, Value> = ports
        .into_iter()
        .map(|(port, value)| (port.to_string(), Value::clone(value)))
        .collect();
    Arc::new(Value::Object(fields))
}
