//! Tools that are called like an interpreter. A tool named `exec` or `run-shell`
//! promises a model that it runs whatever it is given. A skill cannot run programs,
//! but it can pass on what it is given, and a model that is talked into something
//! looks for just such a name. So they are blocked until an operator has looked.
//!
//! A name is taken apart at `-`, `_`, `.` and where a small letter meets a capital,
//! in small letters and without digits at the end of a word. It is blocked if each of
//! its words is in one of three lists, and
//!
//! * one of them names an interpreter (`exec`, `bash`, `remote-shell`), or
//! * one says that something is run, and another what (`run-code`,
//!   `execute-command`).
//!
//! Words that are written together are told apart (`runcode`, `shellexec`).

/// Words that name an interpreter.
const INTERPRETERS: [&str; 34] = [
    "applescript",
    "bash",
    "cmd",
    "csh",
    "deno",
    "eval",
    "exec",
    "execute",
    "interpreter",
    "javascript",
    "ksh",
    "lua",
    "node",
    "nodejs",
    "osascript",
    "perl",
    "php",
    "popen",
    "powershell",
    "pwsh",
    "python",
    "repl",
    "ruby",
    "sh",
    "shell",
    "subprocess",
    "sudo",
    "system",
    "tcsh",
    "terminal",
    "tty",
    "typescript",
    "wscript",
    "zsh",
];

/// Words that say that something is run.
const VERBS: [&str; 7] = [
    "evaluate", "invoke", "launch", "run", "runner", "spawn", "start",
];

/// Words that say what is run.
const OBJECTS: [&str; 9] = [
    "code", "command", "commands", "process", "program", "programs", "script", "scripts", "snippet",
];

/// Words that change nothing.
const FILLERS: [&str; 20] = [
    "a",
    "and",
    "any",
    "arbitrary",
    "call",
    "do",
    "function",
    "in",
    "linux",
    "local",
    "my",
    "now",
    "os",
    "raw",
    "remote",
    "safe",
    "the",
    "tool",
    "unix",
    "windows",
];

/// The longest name that is looked at; manifests have shorter ones.
const MAX_NAME: usize = 256;

/// Whether a tool of that name is blocked unless the operator lists it.
pub(super) fn is_called_like_one(name: &str) -> bool {
    if name.len() > MAX_NAME {
        return true;
    }
    let words = words(name);
    let together: String = words.concat();
    let apart = words.iter().try_fold(Seen::default(), |seen, word| {
        Some(seen.and(Seen::of(word)?))
    });
    apart.is_some_and(Seen::is_blocked)
        || pieced_together(&together).iter().any(|it| it.is_blocked())
}

/// What the words so far say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    interpreter: bool,
    verb: bool,
    object: bool,
}

impl Seen {
    /// None for a word that is in no list.
    fn of(word: &str) -> Option<Self> {
        let seen = Self {
            interpreter: INTERPRETERS.contains(&word),
            verb: VERBS.contains(&word),
            object: OBJECTS.contains(&word),
        };
        (seen != Self::default() || FILLERS.contains(&word)).then_some(seen)
    }

    const fn and(self, other: Self) -> Self {
        Self {
            interpreter: self.interpreter || other.interpreter,
            verb: self.verb || other.verb,
            object: self.object || other.object,
        }
    }

    const fn is_blocked(self) -> bool {
        self.interpreter || (self.verb && self.object)
    }
}

/// The words of a name, without digits at their ends.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for letter in name.chars() {
        let parts = matches!(letter, '-' | '_' | '.' | '/' | ' ');
        if parts || (small && letter.is_uppercase()) {
            words.push(String::new());
        }
        if !parts && let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        small = letter.is_lowercase();
    }
    let bare = |word: String| {
        word.trim_end_matches(|it: char| it.is_ascii_digit())
            .to_owned()
    };
    let bare = words.into_iter().map(bare);
    bare.filter(|word| !word.is_empty()).collect()
}

/// Every meaning of a text that consists of words of the lists and of nothing
/// else. There are at most eight, so a table of what is reached at each letter is
/// all that is needed.
fn pieced_together(text: &str) -> Vec<Seen> {
    let lists = [&INTERPRETERS[..], &VERBS, &OBJECTS, &FILLERS];
    let mut reached: Vec<Vec<Seen>> = vec![Vec::new(); text.len() + 1];
    if let Some(first) = reached.first_mut() {
        first.push(Seen::default());
    }
    for at in 0..text.len() {
        let (Some(rest), Some(here)) = (text.get(at..), reached.get(at).cloned()) else {
            continue;
        };
        // A letter alone would join anything to anything.
        let starts = |word: &&&str| word.len() > 1 && rest.starts_with(**word);
        for word in lists.iter().copied().flatten().filter(starts) {
            let (Some(seen), Some(there)) = (Seen::of(word), reached.get_mut(at + word.len()))
            else {
                continue;
            };
            for meaning in here.iter().map(|so_far| so_far.and(seen)) {
                if !there.contains(&meaning) {
                    there.push(meaning);
                }
            }
        }
    }
    reached.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_interpreters_are_known_however_they_are_written() {
        for name in [
            "eval",
            "exec",
            "execute",
            "system",
            "shell",
            "bash",
            "sh",
            "cmd",
            "powershell",
            "python",
            "python3",
            "run_code",
            "run-code",
            "runCode",
            "RunCode",
            "RUN_CODE",
            "runcode",
            "run.code",
            "execute-command",
            "executecommand",
            "exec-command",
            "shell-exec",
            "shellexec",
            "run-shell",
            "run-shell-command",
            "remote-shell",
            "os-system",
            "os.system",
            "code-interpreter",
            "python-repl",
            "run-python",
            "do-eval",
            "my-exec",
            "exec-tool",
            "exec2",
            "bash-5",
            "spawn-process",
            "start-process",
            "run-a-script",
            "evaluate-code",
            "code-runner",
            "terminal",
            "-exec-",
            "__eval__",
            "cmd.exec",
            "e-x-e-c",
            "s-h",
        ] {
            assert!(is_called_like_one(name), "{name}");
        }
    }

    #[test]
    fn names_of_ordinary_tools_are_not() {
        for name in [
            "run",
            "call",
            "start",
            "query",
            "search",
            "count-words",
            "fetch",
            "analyze",
            "echo",
            "execute-query",
            "execute-order",
            "system-status",
            "file-system",
            "get-node",
            "list-commands",
            "describe-process",
            "code",
            "code-review",
            "script",
            "evaluate",
            "evaluate-expression",
            "publish",
            "push",
            "wash",
            "flash",
            "refresh",
            "cash",
            "dash",
            "retrieval",
            "medieval",
            "ecosystem",
            "nutshell",
            "shelling",
            "run-report",
            "do-it",
            "launch",
            "send-command",
            "hash",
            "tool",
            "a",
            "json-query",
            "python-docs",
        ] {
            assert!(!is_called_like_one(name), "{name}");
        }
    }
}
