//! A host with a canary, and what must hold after every row:
//!
//! * each call has one start, one end and one answer, which say the same, within
//!   its deadline and a quarter of a second;
//! * an honest skill of the same host answers afterwards;
//! * the host did not panic;
//! * nothing outside of a grant was written, reached or shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::called::{Called, refused};
use super::corpus;
use super::ground::{Ground, SECRET};
use super::records::Records;
use super::row::{Must, NotHeld, Offer, Rights, Row, Trial};
use super::skill::{ALLOWED, Keys, TOOL};
use crate::error::{Error, Kind, Result};
use crate::event::monitor::Rules;
use crate::host::{Host, Setup};
use crate::invocation::{Input, Invocation};
use crate::manifest::SkillName;
use crate::policy::OperatorGrant;
use crate::policy::directory::{Access, DirectoryGrant};
use crate::verify::{Signer, TrustPolicy};

/// The deadline of a row that does not name one.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than its deadline a call may take.
const GRACE: Duration = Duration::from_millis(250);

/// After this a call is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the canary says.
const SONG: &str = "TEXT-OF-16-CHARS";

/// A host, and the ground that its skills are tried on.
pub(super) struct Bench {
    host: Arc<Host>,
    records: Records,
    ground: Ground,
    keys: Keys,
    canary: SkillName,
}

impl Bench {
    /// A host that grants each row what it says, and nothing more; `change` has
    /// the last word.
    pub(super) async fn new(rows: &[Row], change: fn(&mut Setup)) -> Result<Self> {
        let (ground, keys, records) = (Ground::new()?, Keys::generate()?, Records::default());
        let signer = Signer::with_keys("selftest", [keys.own.public().clone()]);
        let trust = TrustPolicy::one(signer)
            .map_err(|cause| Error::new(Kind::Internal, cause.to_string()))?;
        let mut setup = Setup::new(trust, Box::new(records.clone()));
        setup.limits.timeout = TIMEOUT;
        // What these skills do often is what they are for.
        setup.monitor = Rules::none();
        for (number, row) in rows.iter().enumerate() {
            setup.skills.entry(name(number, row)?).or_default().grant = grant(row, &ground)?;
        }
        change(&mut setup);
        let host = Arc::new(Host::new(setup)?);
        let canary: SkillName = "canary".parse().map_err(unnameable)?;
        let path = keys.lay(
            &ground.path("skills"),
            &canary,
            corpus::CANARY,
            Rights::Nothing,
            Offer::Signed,
        )?;
        host.load(&path).await?;
        Ok(Self {
            host,
            records,
            ground,
            keys,
            canary,
        })
    }

    /// Tries a row, and says in a few words what happened.
    pub(super) async fn try_row(&self, number: usize, row: &Row) -> Result<String, NotHeld> {
        if let Some(why) = self.ground.lacks(row) {
            return Err(NotHeld::Skipped(why));
        }
        let skill = name(number, row).map_err(broken)?;
        let happened = match row.trial {
            Trial::Calls(arguments) => self.call_each(&skill, row, arguments).await,
            Trial::Offered(offer) => self.offer(&skill, row, offer).await,
            Trial::Replaced(offer) => self.replace(&skill, row, offer).await,
        }?;
        self.check_calm(&happened).await?;
        let folder = format!("{}/", self.ground.path("skills").display());
        Ok(happened.replace(&folder, ""))
    }

    async fn call_each(
        &self,
        skill: &SkillName,
        row: &Row,
        arguments: &[&str],
    ) -> Result<String, NotHeld> {
        self.load(skill, row).await?;
        self.check_granted(skill, row).await?;
        let mut happened = String::new();
        for argument in arguments {
            let called = self.call(skill, &self.filled(argument), row).await?;
            happened = called.judge(row.must)?;
        }
        Ok(happened)
    }

    /// A machine on which no folder can be granted can try no folder's limits.
    async fn load(&self, skill: &SkillName, row: &Row) -> Result<(), NotHeld> {
        let path = self.lay(skill, row, Offer::Signed)?;
        match self.host.load(&path).await {
            Ok(_) => Ok(()),
            Err(error) if row.rights.are_folders() && is_refused_grant(&error) => {
                Err(NotHeld::Skipped(format!(
                    "no folder can be granted here: {}",
                    error.message()
                )))
            }
            Err(error) => Err(NotHeld::failed(refused(&error), error.message())),
        }
    }

    /// That nothing can be opened or reached would prove nothing if the skill
    /// could open and reach nothing at all.
    async fn check_granted(&self, skill: &SkillName, row: &Row) -> Result<(), NotHeld> {
        let (argument, told): (_, &[&str]) = match row.rights {
            Rights::Read if row.guest == corpus::OPENER => ("rinside.txt", &[ALLOWED]),
            Rights::OneOrigin => ("GET http://127.0.0.1:9/", &["connection", ALLOWED]),
            _ => return Ok(()),
        };
        let called = self.call(skill, argument, row).await?;
        called.judge(Must::Tell(told, None)).map(|_| ())
    }

    async fn offer(&self, skill: &SkillName, row: &Row, offer: Offer) -> Result<String, NotHeld> {
        let path = self.lay(skill, row, offer)?;
        let before = self.host.compilations();
        let (Must::NotLoad(kind) | Must::NotCompile(kind)) = row.must else {
            return Err(NotHeld::failed("nothing", "this row cannot be judged"));
        };
        let happened = match self.host.load(&path).await {
            Ok(_) => return Err(NotHeld::failed("it was loaded", "it must not be")),
            Err(error) if error.kind() != kind => {
                return Err(NotHeld::failed(
                    refused(&error),
                    format!("it must be {kind}: {}", error.message()),
                ));
            }
            Err(error) => refused(&error),
        };
        if matches!(row.must, Must::NotCompile(_)) && self.host.compilations() != before {
            return Err(NotHeld::failed(
                happened,
                "something of it was compiled before",
            ));
        }
        let called = self.call(skill, "", row).await?;
        called.judge(Must::Fail(Kind::UnknownTool, "invocation.finished"))?;
        Ok(happened)
    }

    /// A skill that is loaded and answers, until its files are no longer those
    /// that were verified.
    async fn replace(&self, skill: &SkillName, row: &Row, offer: Offer) -> Result<String, NotHeld> {
        self.load(skill, row).await?;
        self.call(skill, "", row)
            .await?
            .judge(Must::Tell(&[SONG], None))?;
        self.lay(skill, row, offer)?;
        self.call(skill, "", row).await?.judge(row.must)
    }

    fn lay(&self, skill: &SkillName, row: &Row, offer: Offer) -> Result<PathBuf, NotHeld> {
        let folder = self.ground.path("skills");
        self.keys
            .lay(&folder, skill, row.guest, row.rights, offer)
            .map_err(broken)
    }

    /// One call, and what must hold of each, however it ended.
    async fn call(&self, skill: &SkillName, argument: &str, row: &Row) -> Result<Called, NotHeld> {
        let timeout = row.limits.timeout.unwrap_or(TIMEOUT);
        let input = Input::parse(format!(r#"{{"p":"{argument}"}}"#)).map_err(broken)?;
        let invocation = Invocation::local(skill.clone(), TOOL, input).map_err(broken)?;
        let (host, start) = (Arc::clone(&self.host), tokio::time::Instant::now());
        // In a task of its own, so that a host that panics does not end this.
        let running = tokio::spawn(async move { host.invoke(invocation).await });
        let answer = match tokio::time::timeout(timeout + PATIENCE, running).await {
            Err(_elapsed) => {
                return Err(NotHeld::failed(
                    "no answer",
                    format!("none within {:?}", timeout + PATIENCE),
                ));
            }
            Ok(Err(_panicked)) => return Err(NotHeld::failed("no answer", "the host panicked")),
            Ok(Ok(answer)) => answer,
        };
        let took = start.elapsed();
        let events = self.records.of(&answer.invocation);
        let called = Called::new(answer, events)?;
        if took > timeout + GRACE {
            return Err(NotHeld::failed(
                called.happened(),
                format!("it took {took:?}, with a deadline of {timeout:?}"),
            ));
        }
        Ok(called)
    }

    /// What must hold of the host after every row.
    async fn check_calm(&self, happened: &str) -> Result<(), NotHeld> {
        let failed = |why: String| Err(NotHeld::failed(happened, why));
        if self.records.count("host.panicked") > 0 {
            return failed("the host panicked".to_owned());
        }
        if let Some(changed) = self.ground.changed() {
            return failed(changed);
        }
        if self.ground.was_reached() {
            return failed("a connection reached this machine".to_owned());
        }
        if self.records.mention(SECRET) {
            return failed("an event shows what lies outside".to_owned());
        }
        let input = Input::parse("{}").map_err(broken)?;
        let invocation = Invocation::local(self.canary.clone(), TOOL, input).map_err(broken)?;
        let answer = self.host.invoke(invocation).await;
        match &answer.outcome {
            Ok(output) if json!(output.content).to_string().contains(SONG) => Ok(()),
            Ok(_) => failed("an honest skill said something else afterwards".to_owned()),
            Err(error) => failed(format!(
                "an honest skill failed afterwards: {}",
                error.message()
            )),
        }
    }

    /// An argument with this machine's own port and paths.
    fn filled(&self, argument: &str) -> String {
        let outside = self.ground.path("outside");
        argument
            .replace("{port}", &self.ground.port().to_string())
            .replace("{outside}", &outside.display().to_string())
    }
}

/// Whether the host will not or cannot grant what the bench wants it to.
fn is_refused_grant(error: &Error) -> bool {
    matches!(error.kind(), Kind::ConfigInvalid | Kind::ConfigInsecure)
}

/// What the operator grants a row.
fn grant(row: &Row, ground: &Ground) -> Result<OperatorGrant> {
    let folder = |host: &Path, access| DirectoryGrant {
        host: host.to_owned(),
        guest: "/".to_owned(),
        access,
    };
    let directories = match row.rights {
        Rights::Read => vec![folder(&ground.path("inside"), Access::ReadOnly)],
        Rights::Write => vec![folder(&ground.path("writable"), Access::ReadWrite)],
        Rights::Proc => vec![folder(Path::new("/proc"), Access::ReadOnly)],
        _ => Vec::new(),
    };
    let origin = match row.rights {
        Rights::AnyOrigin => Some("*"),
        Rights::OneOrigin => Some("http://127.0.0.1:9"),
        _ => None,
    };
    let rule = origin.map(str::parse).transpose();
    let rule = rule.map_err(|problem: String| Error::new(Kind::Internal, problem))?;
    Ok(OperatorGrant {
        directories,
        http: rule.into_iter().collect(),
        limits: row.limits,
        ..OperatorGrant::default()
    })
}

fn name(number: usize, row: &Row) -> Result<SkillName> {
    format!("{}-{number}", row.id.to_ascii_lowercase())
        .parse()
        .map_err(unnameable)
}

fn unnameable(problem: String) -> Error {
    Error::new(Kind::Internal, problem)
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn broken(error: Error) -> NotHeld {
    NotHeld::failed("nothing", error.message())
}
