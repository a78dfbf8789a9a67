//! The part of a step definition that its handler may see.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use llmteam_security::id::StepId;
use serde_json::{Map, Value};

use super::PortName;
use crate::canvas::handler::StepError;

/// A step as its handler knows it: who it is, how it is configured, where its result may go.
///
/// It is made once per plan and shared by all runs, so what a handler derives from the configuration
/// is kept here as well.
pub struct StepSpec {
    /// The step's id.
    pub step_id: StepId,
    /// Catalog type id.
    pub step_type: String,
    /// The `config` object as the segment writes it.
    pub config: Map<String, Value>,
    /// Names of the effective output ports; the primary one, where the type has one, is first.
    pub outputs: Vec<PortName>,
    prepared: OnceLock<Prepared>,
}

type Prepared = Result<Arc<dyn Any + Send + Sync>, StepError>;

impl StepSpec {
    /// A step of a plan.
    pub fn new(
        step_id: StepId,
        step_type: String,
        config: Map<String, Value>,
        outputs: Vec<PortName>,
    ) -> Self {
        Self {
            step_id,
            step_type,
            config,
            outputs,
            prepared: OnceLock::new(),
        }
    }

    /// The primary output port under the name it has in this step.
    pub fn primary_output(&self) -> &str {
        self.outputs.first().map_or("output", |port| port)
    }

    /// What a handler makes of the configuration: checked and compiled at the first call, kept for all
    /// that follow. So is the error when the configuration is wrong.
    ///
    /// # Errors
    /// That of `make`.
    pub fn prepared<T: Send + Sync + 'static>(
        &self,
        make: impl Fn(&Self) -> Result<T, StepError>,
    ) -> Result<Arc<T>, StepError> {
        let kept = self
            .prepared
            .get_or_init(|| make(self).map(|it| Arc::new(it) as _));
        match kept {
            Ok(kept) => match Arc::clone(kept).downcast() {
                Ok(known) => Ok(known),
                // The type was given another handler since; the slot belongs to the first one.
                Err(_) => make(self).map(Arc::new),
            },
            Err(error) => Err(error.clone()),
        }
    }
}

impl fmt::Debug for StepSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepSpec")
            .field("step_id", &self.step_id)
            .field("step_type", &self.step_type)
            .field("config", &self.config)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn spec() -> StepSpec {
        StepSpec::new(
            "a".parse().unwrap(),
            "custom".into(),
            Map::new(),
            Vec::new(),
        )
    }

    #[test]
    fn a_configuration_is_prepared_once_even_when_it_is_wrong() {
        let made = AtomicU32::new(0);
        let (good, bad) = (spec(), spec());
        for _ in 0..3 {
            let prepared = good.prepared(|_| {
                made.fetch_add(1, Ordering::Relaxed);
                Ok(7_u8)
            });
            assert_eq!(*prepared.unwrap(), 7);
            let refused = bad.prepared::<u8>(|_| {
                made.fetch_add(1, Ordering::Relaxed);
                Err(StepError::new("Wrong", "always"))
            });
            assert_eq!(refused.unwrap_err().error_type, "Wrong");
        }
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn another_handler_gets_its_own_preparation() {
        let spec = spec();
        assert_eq!(*spec.prepared(|_| Ok(7_u8)).unwrap(), 7);
        assert_eq!(*spec.prepared(|_| Ok("seven")).unwrap(), "seven");
        assert_eq!(*spec.prepared(|_| Ok(8_u8)).unwrap(), 7);
    }
}
