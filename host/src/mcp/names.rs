//! What tools are called in the list that a client gets.
//!
//! By itself a tool is called `SKILL_TOOL`. An operator may give it another name,
//! for a client that asks for exactly that one. Who calls it by its own name goes
//! on to find it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::host::{Host, SkillPolicy};
use crate::manifest::{MAX_NAME, SkillName, ToolName};

/// Stands between skill and tool. Neither name can hold it, so a name reads
/// one way only.
const SEPARATOR: char = '_';

/// A name of the operator's for a tool: `[A-Za-z0-9_.-]{1,64}`, and none that is
/// some tool's by itself, so that no skill that comes later is hidden by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListedName(Box<str>);

impl ListedName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ListedName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(allowed) {
            return Err(format!(
                "{text:?} is no name for a tool: use 1 to {MAX_NAME} of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`"
            ));
        }
        if let Some((skill, tool)) = own(text) {
            return Err(format!(
                "{text:?} is what the tool `{tool}` of a skill `{skill}` is called by itself: choose another name"
            ));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for ListedName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ListedName> for String {
    fn from(name: ListedName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for ListedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names that an operator gave to tools of one skill.
pub(crate) type Names = BTreeMap<ToolName, ListedName>;

/// What a tool is called in the list.
pub(super) fn listed(skill: &SkillName, tool: &ToolName, given: &Names) -> String {
    match given.get(tool) {
        Some(name) => name.to_string(),
        None => format!("{skill}{SEPARATOR}{tool}"),
    }
}

/// The skill and the tool that a client means, whether or not they are there.
pub(super) fn meant(host: &Host, name: &str) -> Option<(SkillName, String)> {
    let text = |(skill, tool): (SkillName, ToolName)| (skill, tool.into());
    if let Some(found) = own(name).or_else(|| given(host, name)) {
        return Some(text(found));
    }
    let (skill, tool) = name.split_once(SEPARATOR)?;
    Some((skill.parse().ok()?, tool.to_owned()))
}

/// The skill and the tool that are called so by themselves.
pub(super) fn own(name: &str) -> Option<(SkillName, ToolName)> {
    let (skill, tool) = name.split_once(SEPARATOR)?;
    Some((skill.parse().ok()?, tool.parse().ok()?))
}

fn given(host: &Host, name: &str) -> Option<(SkillName, ToolName)> {
    host.skills().iter().find_map(|skill| {
        let (tool, _) = skill.names.iter().find(|(_, it)| it.as_str() == name)?;
        Some((skill.manifest().name.clone(), tool.clone()))
    })
}

/// What is wrong with the names that an operator gave, in words: two tools of one
/// name.
pub(crate) fn problem(policies: &BTreeMap<SkillName, SkillPolicy>) -> Option<String> {
    let mut seen = BTreeMap::new();
    for (skill, policy) in policies {
        for (tool, name) in &policy.names {
            let here = format!("[skill.{skill}.tool.{tool}]");
            if let Some(before) = seen.insert(name, here.clone()) {
                return Some(format!("{before} and {here} have the same name, `{name}`"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tools_own_name_reads_one_way_only() {
        let (skill, tool) = own("text-stats_count-words").unwrap();
        assert_eq!(
            (skill.as_str(), tool.as_str()),
            ("text-stats", "count-words")
        );
        for unnamed in [
            "",
            "_",
            "_tool",
            "a_",
            "text-stats",
            "Text_tool",
            "../x_tool",
            "a_b_c",
        ] {
            assert_eq!(own(unnamed), None, "{unnamed}");
        }
    }

    #[test]
    fn no_name_that_is_given_is_a_tools_own() {
        for name in [
            "search",
            "Search.Files",
            "search_the_docs",
            "a",
            &"x".repeat(64),
        ] {
            assert_eq!(name.parse::<ListedName>().unwrap().as_str(), name);
        }
        for taken in ["docs_search", "a_b"] {
            let problem = taken.parse::<ListedName>().unwrap_err();
            assert!(problem.contains("by itself"), "{problem}");
        }
        for none in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            let problem = none.parse::<ListedName>().unwrap_err();
            assert!(problem.contains("is no name for a tool"), "{problem}");
        }
    }

    #[test]
    fn a_tool_is_listed_under_the_name_that_it_is_given() {
        let (skill, tool) = ("docs".parse().unwrap(), "search".parse().unwrap());
        assert_eq!(listed(&skill, &tool, &BTreeMap::new()), "docs_search");
        let given = BTreeMap::from([(tool, "find_in_docs".parse().unwrap())]);
        let (tool, other) = ("search".parse().unwrap(), "open".parse().unwrap());
        assert_eq!(listed(&skill, &tool, &given), "find_in_docs");
        assert_eq!(listed(&skill, &other, &given), "docs_open");
    }
}
