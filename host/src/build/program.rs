//! Starting other programs: without a shell, with a known environment, and
//! never without saying what failed.

#![expect(
    clippy::disallowed_methods,
    reason = "the one module that runs other programs, and gives them a time limit"
)]

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How many of a failed program's last lines its error repeats.
const TAIL_LINES: usize = 15;

/// How often a program with a time limit is asked whether it has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Variables that would change what the compiler produces, or which compiler
/// it is: what a build yields must not depend on the shell it was started from.
const REMOVED_VARIABLES: [&str; 12] = [
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_WASM32_WASIP2_LINKER",
    "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_FORCE_INCREMENTAL",
    "RUSTFLAGS",
    "SKILLHOST_SECRETS_FD",
];

/// A program about to be run.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// The program at that path, or of that name in `PATH`.
    pub(super) fn new(program: impl AsRef<OsStr>) -> Self {
        let path = Path::new(program.as_ref());
        let mut command = Command::new(path);
        for variable in REMOVED_VARIABLES {
            command.env_remove(variable);
        }
        command
            // A rustup proxy would otherwise download a toolchain unasked.
            .env("RUSTUP_AUTO_INSTALL", "0")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        Self {
            name: path
                .file_name()
                .unwrap_or(path.as_os_str())
                .display()
                .to_string(),
            command,
        }
    }

    pub(super) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(super) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in that folder instead of the caller's.
    pub(super) fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs to the end and returns what was written to standard output.
    pub(super) fn capture(self) -> Result<String, ProgramError> {
        self.capture_within(Duration::MAX)
    }

    /// Like [`capture`](Self::capture), but kills the program at the limit.
    pub(super) fn capture_within(mut self, limit: Duration) -> Result<String, ProgramError> {
        let mut output = self.temporary()?;
        let mut complaints = self.temporary()?;
        let (stdout, stderr) = (self.share(&output)?, self.share(&complaints)?);
        self.command.stdout(stdout).stderr(stderr);
        let mut child = self.start()?;
        let status = self.wait(&mut child, limit)?;
        let complaints = self.read_back(&mut complaints)?;
        self.judge(status, last_lines(&complaints))?;
        self.read_back(&mut output)
    }

    /// Hands over each line of standard output as it comes; standard error is
    /// the caller's own.
    pub(super) fn follow_output(mut self, mut line: impl FnMut(&str)) -> Result<(), ProgramError> {
        self.command.stdout(Stdio::piped());
        let mut child = self.start()?;
        if let Some(pipe) = child.stdout.take() {
            self.each_line(pipe, &mut line)?;
        }
        let status = self.wait(&mut child, Duration::MAX)?;
        self.judge(status, String::new())
    }

    /// Hands over each line of standard error as it comes; standard output is
    /// dropped.
    pub(super) fn follow_complaints(
        mut self,
        mut line: impl FnMut(&str),
    ) -> Result<(), ProgramError> {
        self.command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = self.start()?;
        let mut tail = VecDeque::new();
        if let Some(pipe) = child.stderr.take() {
            self.each_line(pipe, &mut |text| {
                line(text);
                tail.push_back(text.to_owned());
                if tail.len() > TAIL_LINES {
                    tail.pop_front();
                }
            })?;
        }
        let status = self.wait(&mut child, Duration::MAX)?;
        self.judge(status, Vec::from(tail).join("\n"))
    }

    /// Runs both, the standard output of this one feeding the standard input
    /// of `reader`.
    pub(super) fn pipe_into(mut self, mut reader: Self) -> Result<(), ProgramError> {
        let mut complaints = self.temporary()?;
        let (writer_stderr, reader_stderr) = (self.share(&complaints)?, self.share(&complaints)?);
        self.command.stdout(Stdio::piped()).stderr(writer_stderr);
        reader.command.stdout(Stdio::null()).stderr(reader_stderr);
        let mut writing = self.start()?;
        if let Some(pipe) = writing.stdout.take() {
            reader.command.stdin(pipe);
        }
        let read = reader
            .start()
            .and_then(|mut child| reader.wait(&mut child, Duration::MAX));
        // Our copy of the pipe's end would keep the writer from ever noticing
        // that nobody reads.
        reader.command.stdin(Stdio::null());
        let written = self.wait(&mut writing, Duration::MAX)?;
        let complaints = last_lines(&self.read_back(&mut complaints)?);
        reader.judge(read?, complaints.clone())?;
        self.judge(written, complaints)
    }

    fn start(&mut self) -> Result<Child, ProgramError> {
        self.command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ProgramError::NotFound {
                program: self.name.clone(),
            },
            _ => ProgramError::NotStarted {
                program: self.name.clone(),
                source,
            },
        })
    }

    fn wait(&self, child: &mut Child, limit: Duration) -> Result<ExitStatus, ProgramError> {
        if limit == Duration::MAX {
            return child.wait().map_err(|source| self.unreadable(source));
        }
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(|source| self.unreadable(source))? {
                return Ok(status);
            }
            if started.elapsed() >= limit {
                // It may have ended in between; either way it is reaped below.
                let _ = child.kill();
                child.wait().map_err(|source| self.unreadable(source))?;
                return Err(ProgramError::TimedOut {
                    program: self.name.clone(),
                    limit,
                });
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn judge(&self, status: ExitStatus, output: String) -> Result<(), ProgramError> {
        if status.success() {
            return Ok(());
        }
        Err(ProgramError::Failed {
            program: self.name.clone(),
            status,
            output,
        })
    }

    fn each_line(&self, pipe: impl Read, line: &mut dyn FnMut(&str)) -> Result<(), ProgramError> {
        for bytes in BufReader::new(pipe).split(b'\n') {
            let bytes = bytes.map_err(|source| self.unreadable(source))?;
            line(String::from_utf8_lossy(&bytes).trim_end_matches('\r'));
        }
        Ok(())
    }

    /// A file, not a pipe: a grandchild that outlives a killed program may hold
    /// a pipe open, and reading it would then never end.
    fn temporary(&self) -> Result<File, ProgramError> {
        tempfile::tempfile().map_err(|source| self.unreadable(source))
    }

    fn share(&self, file: &File) -> Result<Stdio, ProgramError> {
        file.try_clone()
            .map(Stdio::from)
            .map_err(|source| self.unreadable(source))
    }

    fn read_back(&self, file: &mut File) -> Result<String, ProgramError> {
        let mut bytes = Vec::new();
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .map_err(|source| self.unreadable(source))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn unreadable(&self, source: io::Error) -> ProgramError {
        ProgramError::Unreadable {
            program: self.name.clone(),
            source,
        }
    }
}

/// Why a program that the build needs did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There is no such program.
    #[error("{program} is not installed, or not in PATH")]
    NotFound {
        /// Its name.
        program: String,
    },
    /// The operating system refused to start it.
    #[error("{program} could not be started: {source}")]
    NotStarted {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with an error of its own.
    #[error("{program} failed ({status}){}", indented(output))]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote to standard error; empty where those
        /// went to the terminal.
        output: String,
    },
    /// It was killed at its time limit.
    #[error("{program} did not finish within {} s and was stopped", limit.as_secs())]
    TimedOut {
        /// Its name.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// Its output or its end could not be observed.
    #[error("the output of {program} could not be read: {source}")]
    Unreadable {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}

fn indented(output: &str) -> String {
    output.lines().map(|line| format!("\n    {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_standard_output() {
        let output = Program::new("sh")
            .args(["-c", "echo yes; echo no >&2"])
            .capture()
            .unwrap();
        assert_eq!(output, "yes\n");
    }

    #[test]
    fn a_failure_repeats_the_last_lines_of_standard_error() {
        let error = Program::new("sh")
            .args(["-c", "seq 20 >&2; echo unseen; exit 3"])
            .capture()
            .unwrap_err();
        let ProgramError::Failed {
            program,
            status,
            output,
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!((program.as_str(), status.code()), ("sh", Some(3)));
        assert_eq!(output.lines().next(), Some("6"));
        assert_eq!(output.lines().last(), Some("20"));
    }

    #[test]
    fn a_missing_program_is_told_by_name() {
        let error = Program::new("/nowhere/no-such-program")
            .capture()
            .unwrap_err();
        assert!(
            matches!(error, ProgramError::NotFound { program } if program == "no-such-program")
        );
    }

    #[test]
    fn a_program_over_its_limit_is_killed_though_its_child_holds_the_output() {
        let limit = Duration::from_millis(50);
        let started = Instant::now();
        let error = Program::new("sh")
            .args(["-c", "sleep 5 & wait"])
            .capture_within(limit)
            .unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut { limit: told, .. } if told == limit));
        assert!(started.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_pipe_reports_the_side_that_failed() {
        let error = Program::new("sh")
            .args(["-c", "yes"])
            .pipe_into(Program::new("false"))
            .unwrap_err();
        assert!(matches!(error, ProgramError::Failed { program, .. } if program == "false"));
    }

    #[test]
    fn follows_lines_in_order() {
        let mut lines = Vec::new();
        Program::new("sh")
            .args(["-c", "printf 'one\\ntwo' >&2"])
            .follow_complaints(|line| lines.push(line.to_owned()))
            .unwrap();
        assert_eq!(lines, ["one", "two"]);
    }
}
