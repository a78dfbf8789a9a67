//! Proof of owning a context.
//!
//! Invariant: a token comes only from the lineage that admitted its node, holds 256 random bits, is never copied,
//! printed, compared in varying time or made from text; what a context keeps of it cannot be turned back into it.
//! This module does not know what an owner may do.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::random::{self, NoRandomness};
use crate::id::{AgentId, TenantId};

/// One admission of an agent to a lineage. An agent that is removed and admitted again is another node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId([u8; 16]);

impl NodeId {
    pub(super) fn random() -> Result<Self, NoRandomness> {
        random::bytes().map(Self)
    }
}

/// Whose context something is: a tenant, an agent, and one admission of it. Holds no authority.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    tenant: TenantId,
    agent: AgentId,
    pub(super) node: NodeId,
}

impl Subject {
    pub(super) fn new(tenant: TenantId, agent: AgentId, node: NodeId) -> Self {
        Self {
            tenant,
            agent,
            node,
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The agent.
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({}/{})", self.tenant, self.agent)
    }
}

/// Proof of owning the context of one agent.
///
/// Given out once, by [`Lineage::add`](super::Lineage::add). Whoever holds it is the owner.
#[must_use = "a token that is dropped leaves a context that nobody can open"]
pub struct OwnerToken {
    subject: Subject,
    key: Zeroizing<[u8; 32]>,
}

impl OwnerToken {
    pub(super) fn issue(subject: Subject) -> Result<Self, NoRandomness> {
        let mut key = Zeroizing::new([0; 32]);
        random::fill(&mut *key)?;
        Ok(Self { subject, key })
    }

    /// Whose token it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What recognises this token and cannot be turned back into it.
    pub(super) fn verifier(&self) -> OwnerVerifier {
        let mut hash = Sha256::new_with_prefix(b"llmteam/owner/v1\0");
        for part in [
            self.subject.tenant.as_str().as_bytes(),
            self.subject.agent.as_str().as_bytes(),
            &self.subject.node.0,
        ] {
            hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.update(*self.key);
        OwnerVerifier(hash.finalize().into())
    }
}

impl fmt::Debug for OwnerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "OwnerToken({}/{}, ***)",
            self.subject.tenant, self.subject.agent
        )
    }
}

/// Recognises one token, in constant time.
#[derive(Clone)]
pub(super) struct OwnerVerifier([u8; 32]);

impl OwnerVerifier {
    pub(super) fn accepts(&self, token: &OwnerToken) -> bool {
        self.0.ct_eq(&token.verifier().0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(tenant: &str, agent: &str) -> Subject {
        Subject::new(
            tenant.parse().unwrap(),
            agent.parse().unwrap(),
            NodeId::random().unwrap(),
        )
    }

    #[test]
    fn only_the_token_itself_is_accepted() {
        // covers: CTX-03
        let whose = subject("t", "a");
        let token = OwnerToken::issue(whose.clone()).unwrap();
        let verifier = token.verifier();
        assert!(verifier.accepts(&token));
        assert!(!verifier.accepts(&OwnerToken::issue(whose.clone()).unwrap()));
        for other in [subject("t", "b"), subject("u", "a"), subject("t", "a")] {
            // Even the same random key is of no use under another name.
            let forged = OwnerToken {
                subject: other,
                key: token.key.clone(),
            };
            assert!(!verifier.accepts(&forged));
        }
    }

    #[test]
    fn a_token_does_not_print_its_key() {
        let token = OwnerToken::issue(subject("t", "a")).unwrap();
        assert_eq!(format!("{token:?}"), "OwnerToken(t/a, ***)");
    }
}
