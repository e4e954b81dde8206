//! Names that a reader takes for each other.

use super::{SkillName, ToolName};

/// What is left of a tool's name in a list when everything is taken away that a
/// reader may overlook or mistake: `0` is read as `o`, `1` and `i` as `l`, `rn` as
/// `m`, `vv` as `w`, and what parts words is not seen at all. Names hold nothing but
/// `a-z`, `0-9` and `-`, so there is nothing else to mistake (compare Unicode
/// Technical Standard 39, section 4).
pub(crate) fn skeleton(skill: &SkillName, tool: &ToolName) -> String {
    let letters = skill.as_str().chars().chain(tool.as_str().chars());
    let letters = letters.filter(|letter| *letter != '-');
    let read = letters.map(|letter| match letter {
        '0' => 'o',
        '1' | 'i' => 'l',
        other => other,
    });
    let read: String = read.collect();
    read.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(skill: &str, tool: &str) -> String {
        skeleton(&skill.parse().unwrap(), &tool.parse().unwrap())
    }

    #[test]
    fn i07_names_that_are_taken_for_each_other_have_one_skeleton() {
        let real = of("github-mail", "send-now");
        for (skill, tool) in [
            ("glthub-mail", "send-now"),
            ("g1thub-mail", "send-now"),
            ("github-mai1", "send-now"),
            ("github-mail", "send-n0w"),
            ("githubmail", "send-now"),
            ("github-ma-il", "sendnow"),
            ("github", "mail-send-now"),
            ("github-mail-send", "now"),
            ("github-rnail", "send-now"),
            ("github-mail", "send-now-"),
        ] {
            assert_eq!(of(skill, tool), real, "{skill} {tool}");
        }
        assert_eq!(of("vvatch", "run"), of("watch", "run"));
        for (skill, tool) in [("gitlab-mail", "send-now"), ("github-mail", "send-later")] {
            assert_ne!(of(skill, tool), real, "{skill} {tool}");
        }
    }
}
