//! Provenance: what a builder attests about how an artifact came to be
//! (SLSA, <https://slsa.dev/spec/v1.0/provenance>, and v0.2).

use serde_json::Value;

use super::signer::SignerName;

/// SLSA provenance 1.0, the predicate type that is asked for if none is named.
pub const SLSA_V1: &str = "https://slsa.dev/provenance/v1";

/// What must be attested. Every field that is set must be met by one and the
/// same attestation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The in-toto predicate type.
    pub predicate_type: String,
    /// Whose attestations count; empty: those of every signer of the policy.
    pub signers: Vec<SignerName>,
    /// The builder's id, exactly.
    pub builder: Option<String>,
    /// The source repository, such as `https://github.com/org/repo`, exactly.
    pub repository: Option<String>,
    /// The source ref, such as `refs/heads/main`, exactly.
    pub reference: Option<String>,
}

/// What an attestation whose signature holds states.
#[derive(Debug, Clone)]
pub(super) struct Attested {
    pub(super) predicate_type: String,
    pub(super) predicate: Value,
    /// What the certificate says about the source, if it says so.
    pub(super) repository: Option<String>,
    pub(super) reference: Option<String>,
}

impl Provenance {
    /// Whether the attestation says all that is asked for; if not, what is
    /// missing.
    pub(super) fn check(&self, by: &SignerName, attested: &Attested) -> Result<(), String> {
        if attested.predicate_type != self.predicate_type {
            return Err(format!("it is no {}", self.predicate_type));
        }
        if !self.signers.is_empty() && !self.signers.contains(by) {
            return Err(format!("`{by}` is not who must attest it"));
        }
        let source = Source::of(&attested.predicate);
        let claims = [
            ("builder", &self.builder, builder(&attested.predicate)),
            ("repository", &self.repository, source.repository),
            ("ref", &self.reference, source.reference),
        ];
        for (what, wanted, stated) in claims {
            same(what, wanted.as_deref(), stated.as_deref())?;
        }
        // The certificate's own claims cannot be written by the workflow.
        for (what, wanted, claimed) in [
            ("repository", &self.repository, &attested.repository),
            ("ref", &self.reference, &attested.reference),
        ] {
            if claimed.is_some() {
                same(what, wanted.as_deref(), claimed.as_deref())?;
            }
        }
        Ok(())
    }
}

fn same(what: &str, wanted: Option<&str>, stated: Option<&str>) -> Result<(), String> {
    match (wanted, stated) {
        (None, _) => Ok(()),
        (Some(wanted), Some(stated)) if wanted == stated => Ok(()),
        (Some(wanted), Some(stated)) => Err(format!("its {what} is {stated}, not {wanted}")),
        (Some(_), None) => Err(format!("it does not state its {what}")),
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(ToOwned::to_owned)
}

fn builder(predicate: &Value) -> Option<String> {
    text(predicate, "/runDetails/builder/id").or_else(|| text(predicate, "/builder/id"))
}

struct Source {
    repository: Option<String>,
    reference: Option<String>,
}

impl Source {
    /// Where SLSA 1.0 for GitHub workflows says it, or where SLSA 0.2 does.
    fn of(predicate: &Value) -> Self {
        let workflow = "/buildDefinition/externalParameters/workflow";
        if let Some(repository) = text(predicate, &format!("{workflow}/repository")) {
            return Self {
                repository: Some(repository),
                reference: text(predicate, &format!("{workflow}/ref")),
            };
        }
        let uri = text(predicate, "/invocation/configSource/uri")
            .or_else(|| text(predicate, "/buildDefinition/resolvedDependencies/0/uri"));
        Self::of_uri(uri.as_deref().unwrap_or_default())
    }

    /// `git+https://github.com/org/repo@refs/heads/main` (SPDX download
    /// location).
    fn of_uri(uri: &str) -> Self {
        let address = uri.strip_prefix("git+").unwrap_or(uri);
        let (repository, reference) = match address.rsplit_once('@') {
            Some((repository, reference)) if reference.starts_with("refs/") => {
                (repository, Some(reference.to_owned()))
            }
            _ => (address, None),
        };
        Self {
            repository: Some(repository.to_owned()).filter(|it| !it.is_empty()),
            reference,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Provenance {
        Provenance {
            predicate_type: SLSA_V1.to_owned(),
            signers: Vec::new(),
            builder: Some("https://builder.test/1".to_owned()),
            repository: Some("https://github.com/org/repo".to_owned()),
            reference: Some("refs/heads/main".to_owned()),
        }
    }

    fn attested(predicate: Value) -> Attested {
        Attested {
            predicate_type: SLSA_V1.to_owned(),
            predicate,
            repository: None,
            reference: None,
        }
    }

    fn good() -> Value {
        json!({
            "buildDefinition": {"externalParameters": {"workflow": {
                "repository": "https://github.com/org/repo", "ref": "refs/heads/main"}}},
            "runDetails": {"builder": {"id": "https://builder.test/1"}},
        })
    }

    #[test]
    fn all_that_is_asked_for_must_be_stated() {
        let by = SignerName::new("ci");
        assert_eq!(wanted().check(&by, &attested(good())), Ok(()));
        for (pointer, other, problem) in [
            (
                "/runDetails/builder/id",
                json!("x"),
                "its builder is x, not https://builder.test/1",
            ),
            (
                "/runDetails/builder/id",
                json!(1),
                "it does not state its builder",
            ),
            (
                "/buildDefinition/externalParameters/workflow/repository",
                json!("https://github.com/org/repo-evil"),
                "its repository is https://github.com/org/repo-evil, not https://github.com/org/repo",
            ),
            (
                "/buildDefinition/externalParameters/workflow/ref",
                json!("refs/heads/other"),
                "its ref is refs/heads/other, not refs/heads/main",
            ),
        ] {
            let mut predicate = good();
            *predicate.pointer_mut(pointer).unwrap() = other;
            let refused = wanted().check(&by, &attested(predicate));
            assert_eq!(refused, Err(problem.to_owned()));
        }
        let empty = wanted().check(&by, &attested(json!({})));
        assert_eq!(empty, Err("it does not state its builder".to_owned()));
    }

    #[test]
    fn another_type_another_attester_and_another_certificate_do_not_do() {
        let by = SignerName::new("ci");
        let mut other = attested(good());
        other.predicate_type = "https://cyclonedx.org/bom".to_owned();
        assert_eq!(
            wanted().check(&by, &other),
            Err(format!("it is no {SLSA_V1}"))
        );
        let mut only = wanted();
        only.signers = vec![SignerName::new("other")];
        assert!(only.check(&by, &attested(good())).is_err());
        let mut claimed = attested(good());
        claimed.repository = Some("https://github.com/org/other".to_owned());
        assert!(wanted().check(&by, &claimed).is_err());
    }

    #[test]
    fn a_source_is_found_where_either_version_of_slsa_states_it() {
        let uri = "git+https://github.com/org/repo@refs/tags/v1";
        for predicate in [
            json!({"invocation": {"configSource": {"uri": uri}}}),
            json!({"buildDefinition": {"resolvedDependencies": [{"uri": uri}]}}),
        ] {
            let source = Source::of(&predicate);
            assert_eq!(
                source.repository.as_deref(),
                Some("https://github.com/org/repo")
            );
            assert_eq!(source.reference.as_deref(), Some("refs/tags/v1"));
        }
        assert!(Source::of(&json!([])).repository.is_none());
    }
}
