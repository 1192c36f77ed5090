//! Policies as values.
//!
//! A statement that allows says on what, and `*` only together with the reason
//! why the action knows nothing smaller; the reason ends up in the template.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cloudformation::{Suppression, Text};

/// A policy document.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

impl PolicyDocument {
    /// A document of these statements.
    pub fn new(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }

    /// What the reviewers of policies have to be told about it.
    pub fn suppressions(&self) -> Vec<Suppression> {
        let reasons = self.statement.iter().filter_map(|statement| statement.reason);
        reasons
            .flat_map(|reason| {
                ["AwsSolutions-IAM5", "CKV_AWS_111"]
                    .map(|rule| Suppression { rule, reason: reason.to_owned() })
            })
            .collect()
    }
}

/// Operator → key → value.
pub type Condition = BTreeMap<&'static str, BTreeMap<&'static str, Text>>;

/// A condition with one operator and one key.
pub fn when(operator: &'static str, key: &'static str, value: Text) -> Condition {
    BTreeMap::from([(operator, BTreeMap::from([(key, value)]))])
}

/// One statement.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    sid: &'static str,
    effect: Effect,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource: Vec<Text>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: Condition,
    #[serde(skip)]
    reason: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, Serialize)]
enum Effect {
    Allow,
    Deny,
}

/// Whom a statement is about.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Principal {
    Service {
        #[serde(rename = "Service")]
        service: &'static str,
    },
    Everybody {
        #[serde(rename = "AWS")]
        aws: &'static str,
    },
    Accounts {
        #[serde(rename = "AWS")]
        aws: Vec<Text>,
    },
}

impl Statement {
    /// Allows actions on named resources.
    pub fn allow(sid: &'static str, action: &[&'static str], resource: Vec<Text>) -> Self {
        Self {
            sid,
            effect: Effect::Allow,
            principal: None,
            action: action.to_vec(),
            resource,
            condition: Condition::new(),
            reason: None,
        }
    }

    /// Allows actions that cannot be limited to a resource, and says why.
    pub fn allow_everywhere(sid: &'static str, action: &[&'static str], reason: &'static str) -> Self {
        Self { reason: Some(reason), ..Self::allow(sid, action, vec![Text::literal("*")]) }
    }

    /// Lets a service assume the role under a condition.
    pub fn trust(service: &'static str, condition: Condition) -> Self {
        Self {
            principal: Some(Principal::Service { service }),
            condition,
            ..Self::allow("Assume", &["sts:AssumeRole"], Vec::new())
        }
    }

    /// Lets a service act on resources under a condition; for policies of resources.
    pub fn allow_service(
        sid: &'static str,
        service: &'static str,
        action: &[&'static str],
        resource: Vec<Text>,
        condition: Condition,
    ) -> Self {
        Self {
            principal: Some(Principal::Service { service }),
            condition,
            ..Self::allow(sid, action, resource)
        }
    }

    /// Lets other accounts act on resources, given by the ARNs of their roots; for policies of resources.
    pub fn allow_accounts(
        sid: &'static str,
        accounts: Vec<Text>,
        action: &[&'static str],
        resource: Vec<Text>,
    ) -> Self {
        Self { principal: Some(Principal::Accounts { aws: accounts }), ..Self::allow(sid, action, resource) }
    }

    /// Denies everybody actions on resources under a condition.
    pub fn deny_everybody(
        sid: &'static str,
        action: &[&'static str],
        resource: Vec<Text>,
        condition: Condition,
    ) -> Self {
        Self {
            effect: Effect::Deny,
            principal: Some(Principal::Everybody { aws: "*" }),
            condition,
            ..Self::allow(sid, action, resource)
        }
    }
}
