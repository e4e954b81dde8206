//! Addresses in texts for people: what may be a secret in them is left out.

use std::borrow::Cow;

/// Ends an address that stands in a sentence.
const ENDS: [char; 6] = [' ', '`', '"', '\'', '<', '>'];

/// `text` with the user name, password and query of each address in it
/// replaced by `…`. Keys and tokens stand in those.
pub(crate) fn without_url_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(ENDS).unwrap_or(after.len());
        let (address, behind) = after.split_at_checked(end).unwrap_or((after, ""));
        clean.push_str(before);
        clean.push_str("://");
        push_address(&mut clean, address);
        rest = behind;
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

fn push_address(clean: &mut String, address: &str) {
    let end = address.find(['/', '?', '#', '\\']).unwrap_or(address.len());
    let (authority, path) = address.split_at_checked(end).unwrap_or((address, ""));
    match authority.rsplit_once('@') {
        Some((_user, host)) => {
            clean.push_str("…@");
            clean.push_str(host);
        }
        None => clean.push_str(authority),
    }
    match path.find(['?', '#']) {
        Some(at) => {
            clean.push_str(path.get(..=at).unwrap_or_default());
            clean.push('…');
        }
        None => clean.push_str(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x02_user_names_and_queries_of_addresses_are_left_out() {
        for (text, expected) in [
            ("no address", "no address"),
            ("https://a.test/p", "https://a.test/p"),
            (
                "`https://u:SECRET@a.test/p` carries",
                "`https://…@a.test/p` carries",
            ),
            (
                "GET https://a.test:8/p?key=SECRET#x",
                "GET https://a.test:8/p?…",
            ),
            (
                "\"https://a.test#SECRET\" and http://x@b.test?SECRET",
                "\"https://a.test#…\" and http://…@b.test?…",
            ),
            ("https://a@SECRET@b.test\\@c", "https://…@b.test\\@c"),
        ] {
            assert_eq!(without_url_secrets(text), expected);
        }
    }
}
