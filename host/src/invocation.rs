//! One call of a tool, from whoever makes it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::admission::Scope;
use crate::error::{Error, Kind, Result};
use crate::log;
use crate::manifest::text::one_line;
use crate::manifest::{MAX_NAME, SkillName};
use crate::question::Earlier;
use crate::strict::{self, Room};

/// Identifies one call in answers and events: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InvocationId(u128);

impl InvocationId {
    /// A new id from the system's random numbers.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|cause| {
            Error::new(Kind::Internal, "The system gives no random numbers.").with_internal(cause)
        })?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl InvocationId {
    /// Half of its bits, for what is left to chance.
    pub(crate) fn chance(self) -> u64 {
        u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or_default()
    }
}

impl fmt::Display for InvocationId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// The person at this terminal.
    Local,
    /// A chat assistant that started this process.
    Stdio,
    /// Whoever reaches this host's loopback address, where nobody has to prove
    /// who they are.
    Loopback,
    /// Somebody who proved to be who they are.
    Named(PrincipalName),
}

impl Principal {
    /// As it stands in events and in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::Stdio => "stdio",
            Self::Loopback => "loopback",
            Self::Named(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a caller: 1 to 64 of `a-z`, `0-9` and `- _ . @`, and none of the
/// words that mean another one (`local`, `stdio`, `loopback`, `default`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalName(Arc<str>);

impl PrincipalName {
    /// Names that nobody has.
    pub const RESERVED: [&str; 4] = ["local", "stdio", "loopback", "default"];

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PrincipalName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@');
        if (1..=MAX_NAME).contains(&text.len())
            && text.bytes().all(plain)
            && !Self::RESERVED.contains(&text)
        {
            return Ok(Self(text.into()));
        }
        Err(format!(
            "{:?} is no name of a caller: use 1 to {MAX_NAME} of `a-z`, `0-9`, `-`, `_`, `.` and `@`, and none of `{}`",
            one_line(text, MAX_NAME),
            Self::RESERVED.join("`, `")
        ))
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A span of somebody else's trace (W3C Trace Context, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl TraceParent {
    /// Reads `00-TRACE-SPAN-FLAGS`. What is not of that form is nobody's: a
    /// trace must not fail a call.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |part: &str| {
            part.bytes()
                .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
        };
        let mut parts = text.split('-');
        let four = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let [version, trace, span, flags] = four;
        let is_formed = four.map(str::len) == [2, 32, 16, 2] && four.into_iter().all(digits);
        if !is_formed || version == "ff" {
            return None;
        }
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let parent = Self {
            trace: u128::from_str_radix(trace, 16).ok()?,
            span: u64::from_str_radix(span, 16).ok()?,
            flags: u8::from_str_radix(flags, 16).ok()?,
        };
        (parent.trace != 0 && parent.span != 0).then_some(parent)
    }

    /// The id of the trace.
    #[must_use]
    pub const fn trace(self) -> u128 {
        self.trace
    }

    /// The id of the span.
    #[must_use]
    pub const fn span(self) -> u64 {
        self.span
    }
}

impl fmt::Display for TraceParent {
    /// As version 00 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace, self.span, self.flags
        )
    }
}

/// What a skill reports while it works.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub done: f64,
    /// Of how much, if that is known.
    pub total: Option<f64>,
    /// What it is at.
    pub message: Option<String>,
}

/// Where progress goes.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// Passes on reports that say more than the ones before. A tool that is tried
/// again begins anew, and MCP wants progress to grow.
pub(crate) fn growing(sink: ProgressSink) -> ProgressSink {
    let most = Mutex::new(f64::NEG_INFINITY);
    Arc::new(move |progress| {
        // A number is replaced whole, and the sink is called without the lock.
        let before = {
            let mut most = most.lock().unwrap_or_else(PoisonError::into_inner);
            let next = most.max(progress.done);
            std::mem::replace(&mut *most, next)
        };
        if progress.done > before {
            sink(progress);
        }
    })
}

/// One call of a tool.
#[derive(Clone)]
pub struct Invocation {
    /// Identifies the call.
    pub id: InvocationId,
    /// Who makes it.
    pub principal: Principal,
    /// What the caller's key or token leaves of what it may do; none: all of it.
    pub scope: Option<Arc<Scope>>,
    /// Whose tool.
    pub skill: SkillName,
    /// Which tool, as the caller wrote it.
    pub tool: String,
    /// The arguments.
    pub input: Input,
    /// Fires when the caller has given up.
    pub cancelled: CancellationToken,
    /// Where the skill's progress goes, if anyone listens.
    pub progress: Option<ProgressSink>,
    /// Where else its log goes, if anyone listens and its operator lets them.
    pub log: Option<log::Sink>,
    /// The span of the caller's trace that this call belongs to.
    pub parent: Option<TraceParent>,
    /// What earlier rounds brought, if the tool asked for more input.
    pub earlier: Earlier,
}

impl Invocation {
    /// A call by the person at this terminal.
    pub fn local(skill: SkillName, tool: impl Into<String>, input: Input) -> Result<Self> {
        Ok(Self {
            id: InvocationId::random()?,
            principal: Principal::Local,
            scope: None,
            skill,
            tool: tool.into(),
            input,
            cancelled: CancellationToken::new(),
            progress: None,
            log: None,
            parent: None,
            earlier: Earlier::default(),
        })
    }
}

impl Invocation {
    /// Skill and tool, for people.
    pub(crate) fn target(&self) -> String {
        format!("{}/{}", self.skill, one_line(&self.tool, 80))
    }
}

impl fmt::Debug for Invocation {
    /// Leaves the arguments out: they may hold what nobody else should read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .field("skill", &self.skill)
            .field("tool", &self.tool)
            .finish_non_exhaustive()
    }
}

/// The arguments of a call: JSON text and its value, parsed once.
#[derive(Clone, PartialEq)]
pub struct Input {
    text: String,
    value: Value,
    values: u64,
}

/// The most values in the arguments of one call, of which an object counts as
/// eight: each takes much more room in memory than in text.
pub const MAX_VALUES: u64 = 1_000_000;

/// The most values in the structured answer of a skill, of which an object
/// counts as eight: what they take belongs to no memory limit. It is at most
/// 20 MB.
const MAX_ANSWER: u64 = 200_000;

impl Input {
    /// Reads JSON text: one value, no duplicate keys, at most 127 levels deep.
    /// The skill gets this very text, so no number is rounded on the way.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is something else; `InputTooLarge` if it holds more
    /// than [`MAX_VALUES`].
    pub fn parse(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let mut room = Room::of(MAX_VALUES);
        match strict::parse(&text, &mut room) {
            Ok(value) => Ok(Self {
                text,
                value,
                values: room.values(),
            }),
            Err(_too_many) if room.is_exhausted() => Err(Error::new(
                Kind::InputTooLarge,
                "The arguments hold more values than a host takes.",
            )
            .with_hint("Send less, or send the data as one string.")),
            Err(cause) => Err(Error::new(
                Kind::InvalidInput,
                format!("The arguments are not valid JSON: {cause}."),
            )
            .with_hint("Give one JSON object, for example `{\"text\": \"Hello\"}`.")),
        }
    }

    /// Arguments that are parsed already.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        Self {
            text: value.to_string(),
            values: count(&value),
            value,
        }
    }

    /// How many values there are, one in another included.
    #[must_use]
    pub const fn values(&self) -> u64 {
        self.values
    }

    /// As the skill gets it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As the bindings want it.
    pub(crate) const fn as_string(&self) -> &String {
        &self.text
    }

    /// The parsed value, without the text.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// As the schema sees it.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({} bytes)", self.text.len())
    }
}

/// How many values there are in a value, itself included.
pub(crate) fn count(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(count).sum::<u64>() + 1,
        Value::Object(object) => object.values().map(count).sum::<u64>() + 1,
        _ => 1,
    }
}

/// Reads the structured answer of a skill, as strictly as arguments.
///
/// # Errors
///
/// `InvalidOutput` if it is no JSON, `OutputLimit` if there is too much in it.
pub(crate) fn parse_answer(text: &str) -> Result<Value> {
    let mut room = Room::of(MAX_ANSWER);
    strict::parse(text, &mut room).map_err(|cause| {
        if room.is_exhausted() {
            return Error::new(
                Kind::OutputLimit,
                "The skill's structured answer holds more values than a host takes.",
            )
            .with_hint("Ask for less at a time, for example with a limit or a narrower search.");
        }
        Error::new(
            Kind::InvalidOutput,
            "The skill's structured answer is not valid JSON.",
        )
        .with_hint("This is a defect of the skill; tell its author.")
        .with_internal(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_as_it_is_written_or_not_at_all() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceParent::parse(text).unwrap().to_string(), text);
        let later = format!("01{}-more", text.strip_prefix("00").unwrap());
        assert!(TraceParent::parse(&later).is_some());
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_differ_and_have_32_digits() {
        let (one, other) = (
            InvocationId::random().unwrap(),
            InvocationId::random().unwrap(),
        );
        assert_ne!(one, other);
        assert_eq!(one.to_string().len(), 32);
    }

    #[test]
    fn r14_an_answer_of_many_objects_is_refused_while_it_is_read() {
        let answer = |count: usize, each: &str| format!("[{}]", vec![each; count].join(","));
        assert!(parse_answer(&answer(150_000, "0")).is_ok());
        assert!(parse_answer(&answer(20_000, r#"{"":0}"#)).is_ok());
        for text in [answer(200_001, "0"), answer(25_000, r#"{"":0}"#)] {
            assert_eq!(parse_answer(&text).unwrap_err().kind(), Kind::OutputLimit);
        }
        assert_eq!(parse_answer("{").unwrap_err().kind(), Kind::InvalidOutput);
    }

    #[test]
    fn progress_grows_over_all_attempts() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let sink = growing(Arc::new(move |progress: Progress| {
            ear.lock().unwrap().push(progress.done);
        }));
        for done in [1.0, 2.0, 1.0, 2.0, 3.0] {
            sink(Progress {
                done,
                total: None,
                message: None,
            });
        }
        assert_eq!(*heard.lock().unwrap(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn nobody_is_named_like_somebody_else() {
        for good in ["ci", "a.b-c_d@example.com", "0", &"x".repeat(64)] {
            assert_eq!(good.parse::<PrincipalName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "local",
            "stdio",
            "default",
            "CI",
            "a b",
            "a/b",
            "ä",
            "a\n",
            &"x".repeat(65),
        ] {
            assert!(bad.parse::<PrincipalName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_skill_gets_the_very_text() {
        let text = r#"{"n": 123456789012345678901234567890}"#;
        assert_eq!(Input::parse(text).unwrap().text(), text);
    }

    #[test]
    fn json_that_two_readers_could_understand_differently_is_refused() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            "{} {}",
            "{\"a\":1e999}",
            "\u{feff}{}",
            "{// comment\n}",
            "",
            "{\"a\":NaN}",
            r#"{"a":"\ud800"}"#,
            &deep,
        ] {
            assert_eq!(
                Input::parse(text).unwrap_err().kind(),
                Kind::InvalidInput,
                "{text}"
            );
        }
    }
}
