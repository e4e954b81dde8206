//! One row of the corpus: a skill, what it gets, and what must happen.

use std::fmt;

use super::skill::SILENCE;
use crate::error::Kind;
use crate::policy::limits::LimitsChange;

/// One attack.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Which attack, of the project's list.
    pub(super) id: &'static str,
    /// What is tried.
    pub(super) attack: &'static str,
    /// The guest, as the build script assembled it.
    pub(super) guest: &'static [u8],
    /// What the operator grants.
    pub(super) rights: Rights,
    /// Limits that differ from the bench's.
    pub(super) limits: LimitsChange,
    /// What is done with it.
    pub(super) trial: Trial,
    /// What must happen.
    pub(super) must: Must,
}

/// What a skill asks for and is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    Nothing,
    /// The folder with `inside.txt`, read-only.
    Read,
    /// A folder of its own, which may be written.
    Write,
    /// `/proc`.
    Proc,
    /// `GET` of any origin.
    AnyOrigin,
    /// `GET` of one address of this machine where nobody listens.
    OneOrigin,
}

impl Rights {
    /// Whether it is a folder of the bench.
    pub(super) const fn are_folders(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

/// What is done with a skill.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trial {
    /// It is loaded, and called with each of these arguments.
    Calls(&'static [&'static str]),
    /// It is offered to the host.
    Offered(Offer),
    /// It is loaded; then something else is put into its place, and it is called.
    Replaced(Offer),
}

/// What lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// The skill with its manifest, signed as it should be.
    Signed,
    /// The guest's bytes as they are, signed.
    Bare,
    /// Without a bundle.
    Unsigned,
    /// Signed with a key that the host does not know.
    ByStranger,
    /// One bit of it is not as it was signed.
    Flipped,
    /// With the bundle of another skill.
    WithOthersBundle,
}

/// What must happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Must {
    /// The call is stopped by that limit.
    Stop(Kind, &'static str),
    /// The call fails for another reason, with that event.
    Fail(Kind, &'static str),
    /// The call goes on to its end, and the guest was told one of these by the
    /// host. An event of that name says so, if there is one.
    Tell(&'static [&'static str], Option<&'static str>),
    /// The call goes on to its end, and its operator reads this line.
    Show(&'static str),
    /// It is not loaded, and nothing of it is compiled.
    NotCompile(Kind),
    /// It is not loaded: the compiler or the linker refuses it.
    NotLoad(Kind),
}

/// Why a row does not hold.
#[derive(Debug)]
pub(super) enum NotHeld {
    Failed { happened: String, why: String },
    Skipped(String),
}

impl NotHeld {
    pub(super) fn failed(happened: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Failed {
            happened: happened.into(),
            why: why.into(),
        }
    }
}

impl Row {
    /// A skill that is granted nothing and called once.
    pub(super) fn call(
        id: &'static str,
        attack: &'static str,
        guest: &'static [u8],
        must: Must,
    ) -> Self {
        Self {
            id,
            attack,
            guest,
            rights: Rights::Nothing,
            limits: LimitsChange::default(),
            trial: Trial::Calls(&[""]),
            must,
        }
    }

    /// Something that is offered as a skill.
    pub(super) fn offer(
        id: &'static str,
        attack: &'static str,
        guest: &'static [u8],
        offer: Offer,
        must: Must,
    ) -> Self {
        Self {
            trial: Trial::Offered(offer),
            ..Self::call(id, attack, guest, must)
        }
    }

    pub(super) fn with(self, arguments: &'static [&'static str]) -> Self {
        Self {
            trial: Trial::Calls(arguments),
            ..self
        }
    }

    pub(super) fn granted(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    pub(super) fn within(self, limits: LimitsChange) -> Self {
        Self { limits, ..self }
    }

    /// Whether an operator means this row with that name: its id, or its family.
    pub(super) fn is(&self, name: &str) -> bool {
        let family = self
            .id
            .trim_end_matches(|letter: char| letter.is_ascii_digit());
        self.id.eq_ignore_ascii_case(name) || family.eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for Must {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop(kind, limit) => write!(f, "stopped by the limit `{limit}`: {kind}"),
            Self::Fail(kind, event) => write!(f, "the call fails: {kind}, recorded as {event}"),
            Self::Tell(told, event) => {
                match told {
                    [SILENCE] => write!(f, "the skill goes on to its end")?,
                    _ => write!(f, "the skill is told: {}", told.join(" or "))?,
                }
                event.map_or(Ok(()), |event| write!(f, ", recorded as {event}"))
            }
            Self::Show(line) => write!(f, "its operator, and nobody else, reads `{line}`"),
            Self::NotCompile(kind) => write!(f, "not loaded, nothing compiled: {kind}"),
            Self::NotLoad(kind) => write!(f, "not loaded: {kind}"),
        }
    }
}
