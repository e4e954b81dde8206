//! Taking secrets out of the environment of the process.
//!
//! A variable that is unset stays where the kernel put it: `/proc/PID/environ`
//! shows it for as long as the process lives, and so may a library that read it
//! before. So the host starts itself anew, under the same process id, without
//! the variable. The value crosses over in memory that has no name, and that is
//! emptied as soon as it was read.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};
use zeroize::Zeroizing;

use super::Config;
use crate::error::{Error, Kind, Result};

/// Tells the host that is started anew which descriptor holds the values. It
/// is of no use to anybody else.
const HANDED_OVER: &str = "SKILLHOST_SECRETS_FD";

/// What the kernel calls the memory.
const MEMORY: &str = "skillhost-secrets";

/// Values by variable.
pub(crate) type Variables = BTreeMap<String, Zeroizing<String>>;

impl Config {
    /// The values of the variables that hold secrets. If there are any in the
    /// environment, this does not return: the program begins again without
    /// them. No thread may rely on being there afterwards.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if a value is no text; `Internal` if the program cannot
    /// be started anew.
    pub(crate) fn withdraw_variables(&self) -> Result<Variables> {
        let received = receive()?;
        let mut found = found(self.secret_variables())?;
        if found.is_empty() {
            return Ok(received);
        }
        found.extend(received);
        let cause = restart_without(&found);
        Err(Error::new(
            Kind::Internal,
            "The host cannot take secrets out of its environment.",
        )
        .with_hint("Keep them in files: `file = \"PATH\"` under `[secret.NAME]`.")
        .with_internal(cause))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one module that reads the environment"
)]
fn found<'a>(names: impl Iterator<Item = &'a str>) -> Result<Variables> {
    let read = |name: &str| match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some((name.to_owned(), Zeroizing::new(value)))),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Error::new(
            Kind::ConfigInvalid,
            format!("The value of the variable {name} is no text (UTF-8)."),
        )),
    };
    names.filter_map(|name| read(name).transpose()).collect()
}

/// Returns only if it fails.
#[expect(
    clippy::disallowed_methods,
    reason = "starts this very program, in its own place"
)]
fn restart_without(values: &Variables) -> io::Error {
    let memory = match written(values) {
        Ok(memory) => memory,
        Err(cause) => return cause,
    };
    let mut arguments = env::args_os();
    // The file that runs, whatever lies at its path by now.
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    for variable in values.keys() {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .env(HANDED_OVER, memory.as_raw_fd().to_string())
        .exec()
}

/// Memory that the program keeps when it begins again, as `NAME=VALUE` with a
/// NUL behind each.
fn written(values: &Variables) -> io::Result<File> {
    let mut memory = File::from(memfd_create(MEMORY, MemfdFlags::empty())?);
    for (name, value) in values {
        for part in [name, "=", value, "\0"] {
            memory.write_all(part.as_bytes())?;
        }
    }
    Ok(memory)
}

/// What the program was handed when it began again.
#[expect(
    clippy::disallowed_methods,
    reason = "the one module that reads the environment"
)]
fn receive() -> Result<Variables> {
    let Some(descriptor) = env::var_os(HANDED_OVER) else {
        return Ok(Variables::new());
    };
    let text = emptied(&descriptor).map_err(|cause| {
        Error::new(
            Kind::ConfigInvalid,
            format!("{HANDED_OVER} is for the host alone, and was set by somebody else."),
        )
        .with_hint(format!("Unset {HANDED_OVER}."))
        .with_internal(cause)
    })?;
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())))
        .collect())
}

/// What stands in the memory, of which nothing stays there. The descriptor
/// itself stays open, and empty: closing one by its number is not safe.
fn emptied(descriptor: &OsStr) -> io::Result<Zeroizing<String>> {
    let number: u32 = descriptor
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or(io::ErrorKind::InvalidInput)?;
    let path = format!("/proc/self/fd/{number}");
    let target = fs::read_link(&path)?;
    if target != *format!("/memfd:{MEMORY} (deleted)") {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut memory = File::options().read(true).write(true).open(path)?;
    let length = memory.seek(io::SeekFrom::End(0))?;
    memory.rewind()?;
    let capacity = usize::try_from(length)
        .unwrap_or_default()
        .saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    memory.read_to_string(&mut text)?;
    memory.set_len(0)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x04_values_cross_over_once_and_leave_nothing_behind() {
        let values = Variables::from([
            ("A".to_owned(), Zeroizing::new("SKH=CANARY\nx".to_owned())),
            ("B".to_owned(), Zeroizing::new("SKH_CANARY".to_owned())),
        ]);
        let memory = written(&values).unwrap();
        let descriptor = memory.as_raw_fd().to_string();
        let text = emptied(OsStr::new(&descriptor)).unwrap();
        assert_eq!(text.as_str(), "A=SKH=CANARY\nx\0B=SKH_CANARY\0");
        assert_eq!(memory.metadata().unwrap().len(), 0);
        assert_eq!(emptied(OsStr::new(&descriptor)).unwrap().as_str(), "");
    }

    #[test]
    fn no_other_file_is_read_or_emptied() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"mine").unwrap();
        for descriptor in [
            file.as_raw_fd().to_string(),
            "1x".to_owned(),
            "99999".to_owned(),
        ] {
            assert!(emptied(OsStr::new(&descriptor)).is_err(), "{descriptor}");
        }
        assert_eq!(file.metadata().unwrap().len(), 4);
    }
}
