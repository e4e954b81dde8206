//! From a guest's text to the text of a component. The build script of the host
//! and the tests both read the guests with this.

use std::io::{Error, Result};

/// The line of a guest that names the interfaces it imports, each of which is a
/// file in `interfaces`.
const IMPORTS: &str = ";; IMPORTS ";

/// The line of a guest behind which stand parts of the component, no longer of
/// its core module.
const PARTS: &str = ";; PARTS\n";

/// The text of a component or module: `guest` inside of `template` (`tools.wat`),
/// unless the guest is a component or a module already. `interface` reads the
/// text of an interface.
///
/// # Errors
///
/// Those of `interface`.
pub(crate) fn compose(
    template: &str,
    guest: &str,
    mut interface: impl FnMut(&str) -> Result<String>,
) -> Result<String> {
    if is_complete(guest) {
        return Ok(guest.to_owned());
    }
    let (core, parts) = guest.split_once(PARTS).unwrap_or((guest, ""));
    let (mut imported, mut with) = (String::new(), String::new());
    for name in imports(guest) {
        imported += &interface(name)?;
        with += &format!("(with \"{name}\" (instance ${name})) ");
    }
    let filled = [
        (";; CORE\n", core),
        (PARTS, &format!("{imported}{parts}")),
        ("(;WITH;)", &with),
    ];
    filled
        .into_iter()
        .try_fold(template.to_owned(), |text, (place, what)| {
            let (before, after) = text
                .split_once(place)
                .ok_or_else(|| Error::other(format!("the template has no {place}")))?;
            Ok(format!("{before}{what}{after}"))
        })
}

/// Whoever calls the host needs the shared memory as well.
fn imports(guest: &str) -> Vec<&str> {
    let named = guest.lines().find_map(|line| line.strip_prefix(IMPORTS));
    named.map_or(Vec::new(), |named| {
        std::iter::once("memory")
            .chain(named.split_whitespace())
            .collect()
    })
}

fn is_complete(guest: &str) -> bool {
    let first = guest
        .lines()
        .find(|line| !line.starts_with(";;") && !line.is_empty());
    first.is_some_and(|line| line.starts_with("(component") || line.starts_with("(module"))
}
