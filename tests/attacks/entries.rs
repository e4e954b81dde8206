//! S01, S02 and S29: there is no way to a skill's code that does not ask for
//! its signature at that moment.
//!
//! Each way in is a row of [`WAYS`]: it takes an honest skill, which works;
//! then something is done to the skill's files; then it is taken once more. A
//! way in that is new gets a row, and with it every offence.

use std::fs;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use skillhost::manifest::Source;
use skillhost::sign::{PrivateKey, approval_path};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, Says, guests, pack};
use tokio::runtime::Runtime;

use crate::desk::{Desk, Ran, argument};

/// What the skill answers, and what must not be seen once it is not signed.
const ANSWER: &str = "the code has run";

/// The tool, as an assistant calls it.
const TOOL: &str = "says_run";

/// How a skill is refused: the kind, and everything that was said.
struct Refusal {
    kind: Value,
    said: String,
}

/// Uses the skill, has the offence committed, and uses it again.
type Way = fn(&Stage) -> Refusal;

const WAYS: [(&str, Way); 14] = [
    ("Host::load", load),
    ("Host::invoke", invoke),
    ("what is used instead of a tool that fails", fall_back),
    ("a further attempt of a call", try_again),
    ("skillhost run FILE", run_file),
    ("skillhost run NAME", run_name),
    ("skillhost serve, when it starts", serve_at_start),
    ("skillhost serve, while it serves", serve),
    ("skillhost verify", verify),
    ("skillhost inspect", inspect),
    ("skillhost list", list),
    ("skillhost lock", lock),
    ("skillhost lock --approve", approve),
    ("skillhost lock --approve FILE", approve_file),
];

/// What is done to the files of the skill.
#[derive(Debug, Clone, Copy)]
enum Offence {
    /// The bundle is gone.
    Vanished,
    /// In the place of both is a component that nobody ever signed.
    Replaced,
    /// The bundle is there under a name that is not the component's.
    Astray,
}

#[test]
fn s01_s02_s29_every_way_in_asks_for_the_signature() {
    for offence in [Offence::Vanished, Offence::Replaced, Offence::Astray] {
        for (way, try_it) in WAYS {
            let stage = Stage::new(offence);
            let refusal = try_it(&stage);
            assert_eq!(
                refusal.kind, "SignatureMissing",
                "{way}, {offence:?}: {}",
                refusal.said
            );
            assert!(
                !refusal.said.contains(ANSWER),
                "{way}, {offence:?}: {}",
                refusal.said
            );
            stage.assert_nothing_ran(way);
        }
    }
}

/// An installed, signed skill, and what will be done to it.
struct Stage {
    desk: Desk,
    skill: PathBuf,
    offence: Offence,
}

impl Stage {
    fn new(offence: Offence) -> Self {
        let desk = Desk::new();
        desk.configure("[trust]\npreset = \"permissive\"\n");
        let skill = desk.install("says", &Says::new(ANSWER).component());
        desk.key().sign_file(&skill, None).unwrap();
        let stage = Self {
            desk,
            skill,
            offence,
        };
        stage.assert_signed();
        stage
    }

    /// Says in the audit log, by its length, when it happened.
    fn offend(&self) {
        let bundle = approval_path(&self.skill, None);
        match self.offence {
            Offence::Vanished => fs::remove_file(bundle).unwrap(),
            Offence::Replaced => {
                fs::remove_file(bundle).unwrap();
                let other = Says {
                    version: "2.0.0",
                    ..Says::new(ANSWER)
                };
                self.desk.install("says", &other.component());
            }
            Offence::Astray => {
                let elsewhere = self.skill.with_file_name("other.wasm");
                fs::rename(bundle, approval_path(&elsewhere, None)).unwrap();
            }
        }
        let records = if self.has_audit() {
            self.desk.audit().len()
        } else {
            0
        };
        self.desk.write("offended", records.to_string());
    }

    fn has_audit(&self) -> bool {
        self.desk.path("data/skillhost/audit.jsonl").exists()
    }

    fn assert_signed(&self) {
        let bundle = approval_path(&self.skill, None);
        assert!(bundle.exists());
    }

    /// What the commands recorded since then holds no skill that was loaded and
    /// no call that went well.
    fn assert_nothing_ran(&self, way: &str) {
        let offended = fs::read_to_string(self.desk.path("offended")).unwrap();
        if !self.has_audit() {
            return;
        }
        for record in &self.desk.audit()[offended.parse().unwrap()..] {
            let ran = record["event"] == "skill.loaded" || record["outcome"] == "ok";
            assert!(!ran, "{way}: {record}");
        }
    }

    fn key(&self) -> PrivateKey {
        PrivateKey::load(&self.desk.path("data/skillhost/keys/local.key")).unwrap()
    }

    /// A command that goes well, and ends with that code after the offence.
    fn command(&self, arguments: &[&str], code: i32) -> Ran {
        self.desk.skillhost(arguments).code(0);
        self.offend();
        self.desk.skillhost(arguments).code(code)
    }

    /// Likewise, if it prints one JSON object with a kind.
    fn refused_with_kind(&self, arguments: &[&str]) -> Refusal {
        Refusal::of(self.command(arguments, 3), "/kind")
    }

    fn file(&self) -> &str {
        argument(&self.skill)
    }
}

impl Refusal {
    /// The kind is where the pointer says, in what was printed.
    fn of(ran: Ran, pointer: &str) -> Self {
        let json = ran.json();
        Self {
            kind: json.pointer(pointer).cloned().unwrap_or_default(),
            said: ran.stdout + &ran.stderr,
        }
    }
}

fn load(stage: &Stage) -> Refusal {
    let bench = Bench::with_key(stage.key(), |_| {});
    let error = Runtime::new().unwrap().block_on(async {
        bench.host().load(&stage.skill).await.unwrap();
        stage.offend();
        bench.host().load(&stage.skill).await.unwrap_err()
    });
    assert_eq!(bench.codes(), 1);
    Refusal {
        kind: json!(error.kind()),
        said: format!("{error:?}"),
    }
}

fn invoke(stage: &Stage) -> Refusal {
    let bench = Bench::with_key(stage.key(), |_| {});
    let call = || bench.invoke(invocation("says", "run", json!({})));
    let called = Runtime::new().unwrap().block_on(async {
        bench.host().load(&stage.skill).await.unwrap();
        assert_eq!(call().await.text(), ANSWER);
        stage.offend();
        call().await
    });
    assert_eq!(bench.codes(), 1);
    Refusal {
        kind: json!(called.kind()),
        said: called.json().to_string(),
    }
}

fn fall_back(stage: &Stage) -> Refusal {
    let bench = Bench::with_key(stage.key(), |setup| {
        let policy = setup.skills.entry("guest-errors".parse().unwrap());
        let rules = &mut policy.or_default().recovery.all;
        rules.fallback = Some(vec!["says/run".parse().unwrap()]);
    });
    let call = || {
        let input = json!({"way": "unavailable"});
        bench.invoke(invocation("guest_errors", "fail", input))
    };
    let called = Runtime::new().unwrap().block_on(async {
        bench.ensure_loaded("guest_errors").await;
        bench.host().load(&stage.skill).await.unwrap();
        assert_eq!(call().await.text(), ANSWER);
        stage.offend();
        call().await
    });
    assert_eq!(bench.codes(), 2);
    assert!(!called.between().contains(&"fallback.used"));
    Refusal {
        kind: called.json()["attempts"][1]["kind"].clone(),
        said: called.json().to_string(),
    }
}

/// A skill that fails, and whose files change before it is tried again.
fn try_again(stage: &Stage) -> Refusal {
    let source = Source {
        name: Some("says".parse().unwrap()),
        ..pack::source("flaky")
    };
    let flaky = pack::with_manifest(&guests::rust("flaky"), source);
    stage.desk.install("says", &flaky);
    stage.key().sign_file(&stage.skill, None).unwrap();
    let bench = Bench::with_key(stage.key(), |setup| {
        let policy = setup.skills.entry("says".parse().unwrap()).or_default();
        policy.grant.state = true;
        policy.recovery.all.attempts = NonZeroU8::new(2);
    });
    let call = |fails: u64| {
        let input = json!({"fails": fails, "how": "", "after_ms": 500});
        bench.invoke(invocation("says", "once", input))
    };
    let called = Runtime::new().unwrap().block_on(async {
        bench.host().load(&stage.skill).await.unwrap();
        assert_eq!(call(1).await.structured(), 2);
        let offence = async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            stage.offend();
        };
        tokio::join!(call(3), offence).0
    });
    assert_eq!(bench.codes(), 1);
    assert_eq!(called.usage().attempts, 1);
    Refusal {
        kind: json!(called.kind()),
        said: called.json().to_string(),
    }
}

fn run_file(stage: &Stage) -> Refusal {
    stage.refused_with_kind(&["run", stage.file(), "--json"])
}

fn run_name(stage: &Stage) -> Refusal {
    stage.refused_with_kind(&["run", "says", "--json"])
}

/// It serves nothing, and so does not begin to.
fn serve_at_start(stage: &Stage) -> Refusal {
    drop(stage.desk.serve(&[], &json!({})).end());
    stage.offend();
    let ran = stage.desk.skillhost(&["serve"]).code(2);
    let audit = stage.desk.audit();
    let failed = audit.iter().rfind(|it| it["event"] == "verify.failed");
    Refusal {
        kind: failed.unwrap()["kind"].clone(),
        said: ran.stdout + &ran.stderr,
    }
}

fn serve(stage: &Stage) -> Refusal {
    let mut assistant = stage.desk.serve(&[], &json!({}));
    let answer = assistant.call(TOOL, &json!({}));
    assert_eq!(answer["result"]["content"][0]["text"], ANSWER, "{answer}");
    stage.offend();
    let answer = assistant.call(TOOL, &json!({}));
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    Refusal {
        kind: answer["result"]["_meta"]["dev.skillhost/kind"].clone(),
        said: answer.to_string() + &assistant.end(),
    }
}

fn verify(stage: &Stage) -> Refusal {
    stage.refused_with_kind(&["verify", stage.file(), "--json"])
}

/// Shows what is there, and that it would not run.
fn inspect(stage: &Stage) -> Refusal {
    let ran = stage.command(&["inspect", stage.file(), "--json"], 0);
    assert_eq!(ran.json()["signers"], json!([]));
    Refusal::of(ran, "/refused/kind")
}

fn list(stage: &Stage) -> Refusal {
    Refusal::of(stage.command(&["list", "--json"], 0), "/0/kind")
}

fn lock(stage: &Stage) -> Refusal {
    stage.desk.skillhost(&["lock", "--approve"]).code(0);
    Refusal::of(stage.command(&["lock", "--json"], 3), "/skills/0/kind")
}

fn approve(stage: &Stage) -> Refusal {
    approved_as_before(stage, &["lock", "--approve", "--json"])
}

fn approve_file(stage: &Stage) -> Refusal {
    approved_as_before(stage, &["lock", "--approve", stage.file(), "--json"])
}

/// Whatever is approved already stays as it is.
fn approved_as_before(stage: &Stage, arguments: &[&str]) -> Refusal {
    stage.desk.skillhost(arguments).code(0);
    let file = stage.desk.path("config/skillhost/skillhost.lock");
    let before = fs::read(&file).unwrap();
    let refusal = stage.refused_with_kind(arguments);
    assert_eq!(fs::read(&file).unwrap(), before);
    refusal
}
