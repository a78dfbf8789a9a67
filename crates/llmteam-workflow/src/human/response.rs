//! The answer: which answers fit a question, and who may give one.
//!
//! Invariant: who answered and when are taken from the principal and the clock, never from the answer.
//! The rules are H-2 to H-8 of the workflow specification; this module does not know the store.

use llmteam_security::{
    clock::Timestamp,
    id::{PrincipalId, RequestId},
    principal::{Principal, Role},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::{Fault, HumanError},
    interaction::{Assignee, InteractionStatus, InteractionType},
    request::{InteractionRequest, hash},
};

/// What a person answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// Yes or no.
    pub approved: Option<bool>,
    /// The id or the label of an option.
    pub selected_option: Option<String>,
    /// Data.
    pub input_data: Map<String, Value>,
    /// What the subject should become.
    pub review_changes: Map<String, Value>,
    /// A remark.
    pub comment: String,
    /// Why.
    pub reason: String,
    /// The hash of the subject that was shown to the person.
    pub subject_hash: Option<String>,
    /// How the answer came.
    pub channel: Option<String>,
}

/// An accepted answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InteractionResponse {
    /// The request.
    pub request_id: RequestId,
    /// The same for the same answer to the same request by the same principal.
    pub response_id: String,
    /// Who answered.
    pub responder_id: PrincipalId,
    /// When.
    pub response_time: Timestamp,
    /// The role by which the responder acted in place of who was asked.
    pub override_role: Option<Role>,
    /// Yes or no.
    pub approved: Option<bool>,
    /// The id or the label of an option.
    pub selected_option: Option<String>,
    /// Data.
    pub input_data: Map<String, Value>,
    /// What the subject should become.
    pub review_changes: Map<String, Value>,
    /// A remark.
    pub comment: String,
    /// Why.
    pub reason: String,
    /// The hash of the subject that was answered.
    pub subject_hash: String,
    /// How the answer came.
    pub channel: Option<String>,
}

impl InteractionResponse {
    /// The response to `request` that `answer` makes, if it fits.
    pub(super) fn to(
        request: &InteractionRequest,
        by: &Principal,
        override_role: Option<Role>,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Self, HumanError> {
        if answer
            .subject_hash
            .as_ref()
            .is_some_and(|hash| *hash != request.subject_hash)
        {
            return Err(HumanError::SubjectChanged(request.request_id.clone()));
        }
        let faults = faults(request, &answer);
        if !faults.is_empty() {
            return Err(HumanError::InvalidResponse(faults));
        }
        Ok(Self {
            request_id: request.request_id.clone(),
            response_id: response_id(request, &by.id, &answer)?,
            responder_id: by.id.clone(),
            response_time: now,
            override_role,
            approved: answer.approved,
            selected_option: answer.selected_option,
            input_data: answer.input_data,
            review_changes: answer.review_changes,
            comment: answer.comment,
            reason: answer.reason,
            subject_hash: request.subject_hash.clone(),
            channel: answer.channel,
        })
    }

    /// How the request ends with this response: only a plain no is a refusal.
    pub(super) fn status(&self) -> InteractionStatus {
        match self.approved {
            Some(false) => InteractionStatus::Rejected,
            _ => InteractionStatus::Completed,
        }
    }
}

/// `resp_` and 32 hex digits that name one answer to one request by one principal.
pub(super) fn response_id(
    request: &InteractionRequest,
    responder: &PrincipalId,
    answer: &Answer,
) -> Result<String, HumanError> {
    let digest = hash(&(&request.tenant, &request.request_id, responder, answer))?;
    Ok(format!("resp_{}", &digest[..32]))
}

/// Why an answer does not fit its question.
fn faults(request: &InteractionRequest, answer: &Answer) -> Vec<Fault> {
    let mut faults = Vec::new();
    let decided = answer.approved.is_some();
    let refused = answer.approved == Some(false);
    let edited = !answer.review_changes.is_empty();
    if let Some(option) = &answer.selected_option {
        let known = request
            .options
            .iter()
            .any(|it| it.id == *option || it.label == *option);
        if !known && !request.options.is_empty() {
            faults.push(Fault::new("selected_option", "is not one of the options"));
        }
    }
    match request.interaction_type {
        InteractionType::Approval | InteractionType::Review if !decided && !edited => {
            faults.push(Fault::new(
                "approved",
                "must be given unless there are `review_changes`",
            ));
        }
        InteractionType::Review if edited => {
            faults.extend(data_faults(
                request,
                "review_changes",
                &answer.review_changes,
            ));
        }
        InteractionType::Choice if answer.selected_option.is_none() && !refused => {
            faults.push(Fault::new(
                "selected_option",
                "must be given unless `approved` is false",
            ));
        }
        InteractionType::Input if !refused => {
            if request.input_schema.is_none() && answer.input_data.is_empty() && !decided {
                faults.push(Fault::new(
                    "input_data",
                    "must be given unless `approved` is false",
                ));
            }
            faults.extend(data_faults(request, "input_data", &answer.input_data));
        }
        _ => {}
    }
    faults
}

/// Where `data` breaks the request's schema. The messages do not repeat the data.
fn data_faults(request: &InteractionRequest, field: &str, data: &Map<String, Value>) -> Vec<Fault> {
    let Some(schema) = &request.input_schema else {
        return Vec::new();
    };
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => return vec![Fault::new("input_schema", error.to_string())],
    };
    let data = Value::Object(data.clone());
    let errors = validator.iter_errors(&data);
    errors
        .map(|error| {
            Fault::new(
                format!("{field}{}", error.instance_path()),
                error.masked().to_string(),
            )
        })
        .collect()
}

/// Whether `by` may act on `request` now, and if only in place of who was asked, by which role (H-3).
/// Once somebody has claimed it, nobody else may.
pub(super) fn check_allowed(
    request: &InteractionRequest,
    by: &Principal,
) -> Result<Option<Role>, HumanError> {
    let role = check_eligible(request, by)?;
    match &request.claimed_by {
        Some(claimant) if *claimant != by.id => {
            in_place(request, by, "somebody else has claimed it")
        }
        _ => Ok(role),
    }
}

/// Whether `by` may act on `request` when nobody has claimed it, and if only in place of who was asked, by
/// which role.
///
/// The initiator of a run may not answer it, whatever else it is, unless the request or the
/// installation allows that.
pub(super) fn check_eligible(
    request: &InteractionRequest,
    by: &Principal,
) -> Result<Option<Role>, HumanError> {
    let own = request.initiator.as_ref() == Some(&by.id);
    if own && !request.allow_self_response && !by.allow_self_response {
        return Err(not_allowed(
            request,
            by,
            "the initiator of a run may not answer it",
        ));
    }
    if was_asked(request, by) {
        Ok(None)
    } else {
        in_place(request, by, "others were asked")
    }
}

/// The role by which `by` may act in place of whoever may.
pub(super) fn in_place(
    request: &InteractionRequest,
    by: &Principal,
    reason: &'static str,
) -> Result<Option<Role>, HumanError> {
    by.override_role()
        .cloned()
        .map(Some)
        .ok_or_else(|| not_allowed(request, by, reason))
}

fn not_allowed(request: &InteractionRequest, by: &Principal, reason: &'static str) -> HumanError {
    HumanError::NotAllowed {
        request: request.request_id.clone(),
        principal: by.id.clone(),
        reason,
    }
}

/// Whether `by` is among those asked at any level so far. Where nobody in particular is asked, it is those
/// who play the required role, or are approvers if none is required.
fn was_asked(request: &InteractionRequest, by: &Principal) -> bool {
    let plays_required = request
        .required_role
        .as_ref()
        .is_none_or(|role| by.has_role(role));
    plays_required
        && request.asked.iter().any(|asked| match asked {
            Some(Assignee::User(id)) => *id == by.id,
            Some(Assignee::Group(group)) => by.groups.contains(group),
            None => request.required_role.is_some() || by.has_role(&Role::Approver),
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::human::request::{InteractionOption, NewInteraction};

    fn new(kind: InteractionType) -> NewInteraction {
        let parse = |text: &str| text.parse().unwrap();
        let mut new = NewInteraction::new(
            "t".parse().unwrap(),
            parse("r"),
            "s".parse().unwrap(),
            "ask".parse().unwrap(),
            kind,
        );
        if kind == InteractionType::Choice {
            let option = |id: &str, label: &str| InteractionOption {
                id: id.into(),
                label: label.into(),
            };
            new.options = vec![option("0", "A"), option("1", "B")];
        }
        new
    }

    fn ask(new: NewInteraction) -> InteractionRequest {
        InteractionRequest::ask(new, "req_1".parse().unwrap(), Timestamp::from_micros(0)).unwrap()
    }

    fn user(id: &str) -> Principal {
        Principal::new(id.parse().unwrap())
    }

    /// The status an answer leads to, or the path of its first fault.
    fn outcome(request: &InteractionRequest, answer: Value) -> Result<InteractionStatus, String> {
        let answer: Answer = serde_json::from_value(answer).unwrap();
        match InteractionResponse::to(request, &user("u"), None, answer, Timestamp::from_micros(5))
        {
            Ok(response) => Ok(response.status()),
            Err(HumanError::InvalidResponse(faults)) => Err(faults[0].path.clone()),
            Err(other) => Err(other.code().to_owned()),
        }
    }

    const DONE: Result<InteractionStatus, String> = Ok(InteractionStatus::Completed);
    const REFUSED: Result<InteractionStatus, String> = Ok(InteractionStatus::Rejected);

    fn at(path: &str) -> Result<InteractionStatus, String> {
        Err(path.to_owned())
    }

    #[test]
    fn each_kind_takes_the_answers_that_fit_it() {
        // covers: H-04, workflow H-4, workflow H-5, workflow H-6, workflow H-7
        let mut input = new(InteractionType::Input);
        input.input_schema = Some(
            json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}),
        );
        let input = ask(input);
        let [approval, choice, review, chat, task, free] = [
            InteractionType::Approval,
            InteractionType::Choice,
            InteractionType::Review,
            InteractionType::Chat,
            InteractionType::Task,
            InteractionType::Input,
        ]
        .map(|kind| ask(new(kind)));
        for (request, answer, expected) in [
            (&approval, json!({"approved": true}), DONE),
            (
                &approval,
                json!({"approved": false, "review_changes": {"a": 1}}),
                REFUSED,
            ),
            (&approval, json!({"review_changes": {"a": 1}}), DONE),
            (&approval, json!({}), at("approved")),
            (
                &approval,
                json!({"comment": "fine", "input_data": {"a": 1}}),
                at("approved"),
            ),
            (&choice, json!({"selected_option": "1"}), DONE),
            (
                &choice,
                json!({"selected_option": "B", "approved": true}),
                DONE,
            ),
            (
                &choice,
                json!({"selected_option": "C"}),
                at("selected_option"),
            ),
            (
                &choice,
                json!({"selected_option": "C", "approved": false}),
                at("selected_option"),
            ),
            (&choice, json!({"approved": true}), at("selected_option")),
            (&choice, json!({"approved": false}), REFUSED),
            (&input, json!({"input_data": {"n": 1}}), DONE),
            (
                &input,
                json!({"input_data": {"n": "secret"}}),
                at("input_data/n"),
            ),
            (&input, json!({"approved": true}), at("input_data")),
            (&input, json!({"approved": false}), REFUSED),
            (&free, json!({"input_data": {"n": 1}}), DONE),
            (&free, json!({}), at("input_data")),
            (&review, json!({"approved": true}), DONE),
            (&review, json!({"review_changes": {"a": 1}}), DONE),
            (&review, json!({"input_data": {"a": 1}}), at("approved")),
            (&chat, json!({}), DONE),
            (&task, json!({"input_data": {"done": true}}), DONE),
            (&task, json!({"approved": false}), REFUSED),
        ] {
            assert_eq!(
                outcome(request, answer.clone()),
                expected,
                "{} {answer}",
                request.interaction_type
            );
        }
    }

    #[test]
    fn faults_do_not_repeat_the_data() {
        let mut input = new(InteractionType::Input);
        input.input_schema =
            Some(json!({"properties": {"a": {"type": "integer"}, "b": {"maxLength": 1}}}));
        let answer = Answer {
            input_data: json!({"a": "hunter2", "b": "hunter2"})
                .as_object()
                .unwrap()
                .clone(),
            ..Answer::default()
        };
        let found = faults(&ask(input), &answer);
        assert_eq!(
            found.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(),
            ["input_data/a", "input_data/b"]
        );
        assert!(
            found.iter().all(|it| !it.to_string().contains("hunter2")),
            "{found:?}"
        );
    }

    #[test]
    fn an_answer_to_another_subject_is_refused() {
        // covers: workflow H-8
        let request = ask(new(InteractionType::Approval));
        assert_eq!(
            outcome(&request, json!({"approved": true, "subject_hash": "0"})),
            at("SUBJECT_CHANGED")
        );
        assert_eq!(
            outcome(
                &request,
                json!({"approved": true, "subject_hash": request.subject_hash})
            ),
            DONE
        );
        // The empty object's hash, so that the canonical form is not of our own making.
        assert_eq!(
            request.subject_hash,
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    fn allowed(request: &InteractionRequest, by: &Principal) -> bool {
        check_allowed(request, by).is_ok()
    }

    #[test]
    fn who_was_asked_may_answer_and_others_may_not() {
        // covers: workflow H-3
        let mut request = ask(NewInteraction {
            escalation_chain: vec!["group:leads".parse().unwrap(), "boss".parse().unwrap()],
            timeout: Duration::from_secs(60),
            ..new(InteractionType::Approval).assigned_to("alice".parse().unwrap())
        });
        let (alice, lead, boss, mallory) = (
            user("alice"),
            user("l").with_group("leads"),
            user("boss"),
            user("mallory").with_role(Role::Approver),
        );
        let who = |request: &InteractionRequest| {
            [&alice, &lead, &boss, &mallory].map(|it| allowed(request, it))
        };
        assert_eq!(who(&request), [true, false, false, false]);
        request.deadline_passed(Timestamp::from_micros(60_000_000));
        assert_eq!(who(&request), [true, true, false, false]);
        request.deadline_passed(Timestamp::from_micros(120_000_000));
        assert_eq!(who(&request), [true, true, true, false]);
        request.claim(&boss.id, Timestamp::from_micros(0));
        assert_eq!(who(&request), [false, false, true, false]);
        let operator = user("op").with_role(Role::Override);
        assert_eq!(
            check_allowed(&request, &operator).unwrap(),
            Some(Role::Override)
        );
        assert_eq!(check_allowed(&request, &boss).unwrap(), None);
    }

    #[test]
    fn what_nobody_in_particular_was_asked_needs_the_role() {
        // covers: workflow H-3
        let open = ask(new(InteractionType::Approval));
        assert!(!allowed(&open, &user("u")));
        assert!(allowed(&open, &user("u").with_role(Role::Approver)));
        let finance = ask(NewInteraction {
            required_role: Some("finance".into()),
            ..new(InteractionType::Approval)
        });
        assert!(!allowed(&finance, &user("u").with_role(Role::Approver)));
        assert!(allowed(&finance, &user("u").with_role("finance".into())));
        let assigned = finance_of("u");
        assert!(!allowed(&assigned, &user("u")));
        assert!(allowed(&assigned, &user("u").with_role("finance".into())));
    }

    fn finance_of(id: &str) -> InteractionRequest {
        let new = NewInteraction {
            required_role: Some("finance".into()),
            ..new(InteractionType::Approval)
        };
        ask(new.assigned_to(id.parse().unwrap()))
    }

    #[test]
    fn an_initiator_does_not_approve_its_own_run_even_by_override() {
        // covers: workflow H-3
        let own = NewInteraction {
            initiator: Some("u".parse().unwrap()),
            ..new(InteractionType::Approval)
        };
        let request = ask(own.clone());
        assert!(!allowed(
            &request,
            &user("u")
                .with_role(Role::Approver)
                .with_role(Role::Override)
        ));
        assert!(allowed(
            &ask(NewInteraction {
                allow_self_response: true,
                ..own.clone()
            }),
            &user("u").with_role(Role::Approver)
        ));
        let local = ask(NewInteraction {
            initiator: Some("local".parse().unwrap()),
            ..own
        });
        assert!(allowed(&local, &Principal::local()));
    }
}
