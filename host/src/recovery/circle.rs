//! Fallbacks that lead back to where they began, or on and on. A call follows the
//! fallbacks of the tool that was asked for and of no other, so it would end all
//! the same; but who writes a circle meant something else.

use std::collections::{BTreeMap, BTreeSet};

use super::policy::{Fallback, SkillRecovery};
use crate::manifest::{SkillName, ToolName};

/// The most tools that may stand in a row, each the fallback of the one before.
pub const MAX_DEPTH: usize = 8;

/// A tool of a skill.
type Node<'a> = (&'a SkillName, &'a ToolName);

/// What is wrong with the fallbacks that an operator named, in words.
pub(crate) fn problem<'a>(
    skills: impl IntoIterator<Item = (&'a SkillName, &'a SkillRecovery)>,
) -> Option<String> {
    let graph = Graph(skills.into_iter().collect());
    let mut done = BTreeSet::new();
    let mut starts = graph.named();
    starts.find_map(|start| graph.walk(start, &mut Vec::new(), &mut done))
}

struct Graph<'a>(BTreeMap<&'a SkillName, &'a SkillRecovery>);

impl<'a> Graph<'a> {
    /// Every tool that the configuration names.
    fn named(&self) -> impl Iterator<Item = Node<'a>> {
        self.0.iter().flat_map(|(skill, recovery)| {
            let own = recovery.tools.keys().map(|tool| (*skill, tool));
            let for_all = recovery.all.fallback.iter().flatten();
            own.chain(for_all.filter_map(|it| target(skill, it)))
        })
    }

    /// What takes the place of a tool.
    fn after(&self, (skill, tool): Node<'a>) -> impl Iterator<Item = Node<'a>> {
        let list = self
            .0
            .get(skill)
            .and_then(|it| it.fallbacks_of(skill, tool));
        let list = list.into_iter().flatten();
        list.filter_map(move |it| target(skill, it))
    }

    /// Follows all fallbacks; a tool that was reached before leads to no circle.
    fn walk(
        &self,
        node: Node<'a>,
        path: &mut Vec<Node<'a>>,
        done: &mut BTreeSet<Node<'a>>,
    ) -> Option<String> {
        let start = path.iter().position(|it| *it == node);
        path.push(node);
        if let Some(start) = start {
            let circle = named(path.get(start..).unwrap_or_default());
            return Some(format!(
                "the fallbacks {circle} lead back to where they began"
            ));
        }
        if path.len() > MAX_DEPTH {
            let row = named(path);
            return Some(format!(
                "the fallbacks {row} are more than {MAX_DEPTH} in a row"
            ));
        }
        if !done.contains(&node) {
            let found = self
                .after(node)
                .find_map(|next| self.walk(next, path, done));
            if found.is_some() {
                return found;
            }
            done.insert(node);
        }
        path.pop();
        None
    }
}

fn named(path: &[Node<'_>]) -> String {
    let names = path.iter().map(|(skill, tool)| format!("{skill}/{tool}"));
    names.collect::<Vec<_>>().join(" → ")
}

fn target<'a>(own: &'a SkillName, fallback: &'a Fallback) -> Option<Node<'a>> {
    match fallback {
        Fallback::Tool { skill, tool } => Some((skill.as_ref().unwrap_or(own), tool)),
        Fallback::LastGood(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::RecoveryChange;

    fn recovery(lists: &[(&str, &str)]) -> SkillRecovery {
        let change = |list: &str| RecoveryChange {
            fallback: Some(list.split(' ').map(|it| it.parse().unwrap()).collect()),
            ..RecoveryChange::default()
        };
        let mut recovery = SkillRecovery::default();
        for (tool, list) in lists {
            match *tool {
                "" => recovery.all = change(list),
                tool => drop(recovery.tools.insert(tool.parse().unwrap(), change(list))),
            }
        }
        recovery
    }

    fn problem_of(skills: &[(&str, &[(&str, &str)])]) -> Option<String> {
        let skills: Vec<(SkillName, SkillRecovery)> = skills
            .iter()
            .map(|(skill, lists)| (skill.parse().unwrap(), recovery(lists)))
            .collect();
        problem(skills.iter().map(|(skill, recovery)| (skill, recovery)))
    }

    #[test]
    fn c06_a_circle_is_named() {
        for (skills, expected) in [
            (&[("a", &[("x", "x")][..])][..], "a/x → a/x"),
            (&[("a", &[("x", "a/x")])], "a/x → a/x"),
            (
                &[("a", &[("x", "b/y")]), ("b", &[("y", "last-good(1m) a/x")])],
                "a/x → b/y → a/x",
            ),
            (
                &[("a", &[("", "b/y")]), ("b", &[("", "a/z")])],
                "b/y → a/z → b/y",
            ),
            (
                &[("a", &[("x", "y z"), ("z", "y"), ("y", "z")])],
                "a/y → a/z → a/y",
            ),
        ] {
            let problem = problem_of(skills).unwrap();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn fallbacks_that_end_are_no_circle() {
        for skills in [
            &[("a", &[("x", "y z"), ("y", "z")][..])][..],
            &[("a", &[("", "y z")])],
            &[("a", &[("", "b/y last-good(1m)")]), ("b", &[("y", "c/z")])],
        ] {
            assert_eq!(problem_of(skills), None, "{skills:?}");
        }
    }

    #[test]
    fn c06_a_row_has_an_end() {
        let rows = [
            ("a", "b"),
            ("b", "c"),
            ("c", "d"),
            ("d", "e"),
            ("e", "f"),
            ("f", "g"),
            ("g", "h"),
            ("h", "i"),
        ];
        assert_eq!(problem_of(&[("s", &rows[..7])]), None);
        assert!(problem_of(&[("s", &rows)]).unwrap().contains("more than 8"));
    }
}
