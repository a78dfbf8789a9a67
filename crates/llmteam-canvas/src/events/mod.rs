//! The projection of the journal that people watch.

mod step_event;

pub use self::step_event::StepEvent;
