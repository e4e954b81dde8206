//! How two definitions differ, in words.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, What, plain, quoted, reworded};
use super::definition::{DefinedArgument, DefinedLimits, DefinedTool, Definition};
use crate::artifact::Digest;
use crate::manifest::Annotations;

/// Everything in which `new` differs from `old`: never empty if they differ.
pub(super) fn definitions(old: &Definition, new: &Definition) -> Vec<Change> {
    if old == new {
        return Vec::new();
    }
    let mut changes = Vec::new();
    changes.extend(description(&old.description, &new.description));
    tools(&old.tools, &new.tools, &mut changes);
    super::wants::capabilities(&old.capabilities, &new.capabilities, &mut changes);
    changes.extend(settings(old.settings, new.settings));
    limits(&old.limits, &new.limits, &mut changes);
    if changes.is_empty() {
        let sentence = "What it declares differs in a way that has no words here.".to_owned();
        changes.push(Change::widening(What::Definition, sentence));
    }
    changes
}

fn description(old: &str, new: &str) -> Option<Change> {
    let sentence = || reworded("The description of the skill", old, new);
    (old != new).then(|| Change::widening(What::SkillDescription, sentence()))
}

fn tools(old: &[DefinedTool], new: &[DefinedTool], changes: &mut Vec<Change>) {
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for pair in pairs(old, new, |tool| tool.name.as_str()) {
        match pair {
            (Some(old), Some(new)) => tool(old, new, changes),
            (Some(old), None) => removed.push(old),
            (None, Some(new)) => added.push(new),
            (None, None) => {}
        }
    }
    for old in removed {
        let heir = added.iter().position(|new| is_renamed(old, new));
        match heir.map(|index| added.remove(index)) {
            Some(new) => tool_renamed(old, new, changes),
            None => changes.push(tool_removed(old)),
        }
    }
    for new in added {
        tool_added(new, changes);
    }
}

/// Whatever else differs between the two is told as well, so a wrong guess
/// hides nothing.
fn is_renamed(old: &DefinedTool, new: &DefinedTool) -> bool {
    old.input_schema == new.input_schema && old.output_schema == new.output_schema
}

fn tool_renamed(old: &DefinedTool, new: &DefinedTool, changes: &mut Vec<Change>) {
    let sentence = format!("The tool `{}` is now named `{}`.", old.name, new.name);
    changes.push(Change::widening(What::ToolRenamed, sentence));
    tool(old, new, changes);
}

fn tool_removed(old: &DefinedTool) -> Change {
    let sentence = format!("The tool `{}` is gone.", old.name);
    Change::harmless(What::ToolRemoved, sentence)
}

fn tool_added(new: &DefinedTool, changes: &mut Vec<Change>) {
    let sentence = format!("The tool `{}` was added.", new.name);
    changes.push(Change::widening(What::ToolAdded, sentence));
    // That it has a schema goes without saying.
    let silent = DefinedTool {
        input_schema: new.input_schema,
        ..DefinedTool::silent(new.name.clone())
    };
    tool(&silent, new, changes);
}

fn tool(old: &DefinedTool, new: &DefinedTool, changes: &mut Vec<Change>) {
    let name = &new.name;
    let subject = |what: &str| format!("The {what} of the tool `{name}`");
    let (old_title, new_title) = (text(&old.title), text(&new.title));
    if old_title != new_title {
        let sentence = reworded(&subject("title"), old_title, new_title);
        changes.push(Change::widening(What::ToolTitle, sentence));
    }
    if old.description != new.description {
        let sentence = reworded(&subject("description"), &old.description, &new.description);
        changes.push(Change::widening(What::ToolDescription, sentence));
    }
    input(old, new, changes);
    changes.extend(output(old, new));
    annotations(old.annotations, new, changes);
}

fn text(title: &Option<String>) -> &str {
    title.as_deref().unwrap_or_default()
}

fn input(old: &DefinedTool, new: &DefinedTool, changes: &mut Vec<Change>) {
    let known = changes.len();
    for pair in pairs(&old.arguments, &new.arguments, |argument| &argument.path) {
        match pair {
            (Some(old), Some(new_argument)) => argument(new, old, new_argument, changes),
            (Some(old), None) => changes.push(argument_removed(new, old)),
            (None, Some(added)) => changes.push(argument_added(new, added)),
            (None, None) => {}
        }
    }
    let told = changes.len() > known;
    let rules_differ = old.input_rules != new.input_rules;
    if rules_differ || (old.input_schema != new.input_schema && !told) {
        let sentence = format!(
            "The schema of the input of the tool `{}` says something else than its arguments tell: bounds, alternatives or texts.",
            new.name
        );
        changes.push(Change::widening(What::InputSchema, sentence));
    }
}

fn argument_removed(tool: &DefinedTool, old: &DefinedArgument) -> Change {
    let sentence = format!("{} is gone.", argument_subject(tool, old));
    Change::harmless(What::ArgumentRemoved, sentence)
}

fn argument_added(tool: &DefinedTool, new: &DefinedArgument) -> Change {
    let required = if new.required { ", required" } else { "" };
    let described = if new.description.is_empty() {
        String::new()
    } else {
        format!(": {}", quoted(&new.description))
    };
    let sentence = format!(
        "{} was added ({}{required}){described}.",
        argument_subject(tool, new),
        plain(&new.kind)
    );
    Change::widening(What::ArgumentAdded, sentence)
}

fn argument(
    tool: &DefinedTool,
    old: &DefinedArgument,
    new: &DefinedArgument,
    changes: &mut Vec<Change>,
) {
    let subject = argument_subject(tool, new);
    if old.kind != new.kind {
        let (old, new) = (plain(&old.kind), plain(&new.kind));
        let sentence = format!("{subject} has another type: {old} before, {new} now.");
        changes.push(Change::widening(What::ArgumentType, sentence));
    }
    if old.required != new.required {
        let state = if new.required {
            "is now required"
        } else {
            "is no longer required"
        };
        let sentence = format!("{subject} {state}.");
        changes.push(Change::new(What::ArgumentRequired, new.required, sentence));
    }
    if old.description != new.description {
        let subject = format!("The description of {}", lower(&subject));
        let sentence = reworded(&subject, &old.description, &new.description);
        changes.push(Change::widening(What::ArgumentDescription, sentence));
    }
    if old.rules != new.rules {
        let sentence = format!(
            "{subject} has other rules: bounds, a default, alternatives or texts inside it."
        );
        changes.push(Change::widening(What::ArgumentRules, sentence));
    }
}

fn argument_subject(tool: &DefinedTool, argument: &DefinedArgument) -> String {
    let path = plain(&argument.path);
    format!("The argument `{path}` of the tool `{}`", tool.name)
}

fn lower(subject: &str) -> String {
    subject.replacen("The ", "the ", 1)
}

/// Models see this schema as well, so only one that is gone tells them nothing.
fn output(old: &DefinedTool, new: &DefinedTool) -> Option<Change> {
    let state = changed(old.output_schema, new.output_schema)?;
    let sentence = format!(
        "The schema of the output of the tool `{}` {state}.",
        new.name
    );
    let widens = new.output_schema.is_some();
    Some(Change::new(What::OutputSchema, widens, sentence))
}

/// Each claim counts in either direction: clients ask less before they call a
/// tool that claims to be read-only, and one that no longer does may write.
fn annotations(old: Annotations, new: &DefinedTool, changes: &mut Vec<Change>) {
    let (name, new) = (&new.name, new.annotations);
    for (claim, old, new) in [
        ("read-only", old.read_only, new.read_only),
        ("destructive", old.destructive, new.destructive),
        ("idempotent", old.idempotent, new.idempotent),
        ("open-world", old.open_world, new.open_world),
    ] {
        let state = match new {
            _ if old == new => continue,
            Some(true) => "now claims to be",
            Some(false) => "now claims not to be",
            None if old == Some(false) => "no longer claims not to be",
            None => "no longer claims to be",
        };
        let sentence = format!("The tool `{name}` {state} {claim}.");
        changes.push(Change::widening(What::Annotation, sentence));
    }
}

fn settings(old: Option<Digest>, new: Option<Digest>) -> Option<Change> {
    let state = changed(old, new)?;
    let sentence = format!("The schema of the settings that an operator can make {state}.");
    Some(Change::harmless(What::SettingsSchema, sentence))
}

fn changed(old: Option<Digest>, new: Option<Digest>) -> Option<&'static str> {
    match (old, new) {
        _ if old == new => None,
        (None, _) => Some("was added"),
        (_, None) => Some("is gone"),
        _ => Some("changed"),
    }
}

fn limits(old: &DefinedLimits, new: &DefinedLimits, changes: &mut Vec<Change>) {
    let names: BTreeSet<&String> = old.0.keys().chain(new.0.keys()).collect();
    for limit in names {
        let (widens, sentence) = match (old.0.get(limit), new.0.get(limit)) {
            (old, new) if old == new => continue,
            (Some(old), Some(new)) => (
                new > old,
                format!("It wants its limit `{limit}` to be {new}, and {old} before."),
            ),
            (None, Some(new)) => (
                false,
                format!("It now wants its limit `{limit}` to be {new}."),
            ),
            (old, None) => (
                true,
                format!(
                    "It no longer wants its limit `{limit}` to be {}: the host's limit holds.",
                    old.copied().unwrap_or_default()
                ),
            ),
        };
        changes.push(Change::new(What::Limit, widens, sentence));
    }
}

/// The entries of both lists, those with the same key together, by key.
fn pairs<'a, T>(
    old: &'a [T],
    new: &'a [T],
    key: impl Fn(&'a T) -> &'a str,
) -> impl Iterator<Item = (Option<&'a T>, Option<&'a T>)> {
    let mut pairs: BTreeMap<&str, (Option<&T>, Option<&T>)> = BTreeMap::new();
    for entry in old {
        pairs.entry(key(entry)).or_default().0 = Some(entry);
    }
    for entry in new {
        pairs.entry(key(entry)).or_default().1 = Some(entry);
    }
    pairs.into_values()
}
