//! The codes of validation messages: stable names that hosts and pages of `docs/errors` refer to.

use std::fmt;

use serde::{Serialize, Serializer};

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationSeverity {
    /// The segment must not run.
    Error,
    /// The segment runs, but probably not as meant.
    Warning,
    /// Worth knowing.
    Info,
}

impl ValidationSeverity {
    /// The wire string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for ValidationSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $severity:ident;)*) => {
        /// What a message is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ValidationCode {
            $($(#[$doc])* $name,)*
        }

        impl ValidationCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The wire string, also the name of the code's page in `docs/errors`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $wire,)*
                }
            }

            /// How grave the finding is.
            pub const fn severity(self) -> ValidationSeverity {
                match self {
                    $(Self::$name => ValidationSeverity::$severity,)*
                }
            }
        }
    };
}

codes! {
    /// The document is not JSON, or not UTF-8.
    InvalidJson = "INVALID_JSON", Error;
    /// The document, its steps or its edges are more than a segment may have.
    TooLarge = "TOO_LARGE", Error;
    /// The document nests deeper than a segment may.
    TooDeep = "TOO_DEEP", Error;
    /// An object has the same key twice.
    DuplicateKey = "DUPLICATE_KEY", Error;
    /// More was found than one answer holds.
    TooManyMessages = "TOO_MANY_MESSAGES", Error;
    /// A required key is absent.
    MissingField = "MISSING_FIELD", Error;
    /// A value has the wrong JSON type, or is a number that cannot be held.
    InvalidType = "INVALID_TYPE", Error;
    /// The version is not `1.0`.
    UnsupportedVersion = "UNSUPPORTED_VERSION", Error;
    /// An id does not follow the pattern of ids.
    InvalidIdFormat = "INVALID_ID_FORMAT", Error;
    /// There is no step.
    EmptySegment = "EMPTY_SEGMENT", Error;
    /// Two steps have one id.
    DuplicateId = "DUPLICATE_ID", Error;
    /// No entrypoint is given.
    MissingEntrypoint = "MISSING_ENTRYPOINT", Warning;
    /// The entrypoint is no step.
    InvalidEntrypoint = "INVALID_ENTRYPOINT", Error;
    /// An end of an edge is no step.
    InvalidReference = "INVALID_REFERENCE", Error;
    /// A condition or expression cannot be read.
    InvalidCondition = "INVALID_CONDITION", Error;
    /// An edge names a port its step does not have.
    UnknownPort = "UNKNOWN_PORT", Warning;
    /// An edge leads back to its own step.
    SelfLoop = "SELF_LOOP", Warning;
    /// No path leads from the entrypoint to the step.
    UnreachableStep = "UNREACHABLE_STEP", Warning;
    /// The catalog does not have the step's type.
    UnknownType = "UNKNOWN_TYPE", Error;
    /// Nothing runs the step's type.
    NoHandler = "NO_HANDLER", Warning;
    /// A config lacks a required property.
    MissingRequired = "MISSING_REQUIRED", Error;
    /// A config value is none of those allowed.
    InvalidValue = "INVALID_VALUE", Error;
    /// A config number is below its minimum.
    ValueTooSmall = "VALUE_TOO_SMALL", Error;
    /// A config number is above its maximum.
    ValueTooLarge = "VALUE_TOO_LARGE", Error;
    /// A config breaks its schema in another way.
    SchemaViolation = "SCHEMA_VIOLATION", Error;
    /// A run parameter is out of range.
    InvalidParam = "INVALID_PARAM", Error;
    /// Several edges end in one port.
    PortFanIn = "PORT_FAN_IN", Info;
    /// Steps form a loop.
    Cycle = "CYCLE", Info;
    /// A declared input has no edge.
    UnconnectedPort = "UNCONNECTED_PORT", Info;
    /// A key that the contract does not have.
    UnknownField = "UNKNOWN_FIELD", Info;
}

impl fmt::Display for ValidationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ValidationCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
