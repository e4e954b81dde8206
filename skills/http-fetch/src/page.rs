//! HTML as something to read.

use std::rc::Rc;

use htmd::HtmlToMarkdown;
use htmd::options::{BulletListMarker, HrStyle, Options};
use html5ever::Attribute;
use html5ever::tendril::StrTendril;
use markup5ever_rcdom::{Node, NodeData};
use url::Url;

use crate::plain;

/// Elements below this depth are read as mere text: the converter calls itself
/// once for each level, and a page must not exhaust the stack.
const MAX_DEPTH: usize = 128;

/// Never part of what a reader wants.
const NOISE: [&str; 20] = [
    "head", "script", "style", "noscript", "template", "svg", "canvas", "iframe", "object",
    "embed", "audio", "video", "nav", "footer", "dialog", "button", "input", "select", "textarea",
    "map",
];

/// Roles of elements that are for finding one's way, not for reading.
const NOISE_ROLES: [&str; 3] = ["navigation", "contentinfo", "search"];

/// A page without scripts, styles and navigation, whose links are absolute.
pub(crate) struct Page {
    title: Option<String>,
    /// Kept whole: a document takes its nodes apart when it goes.
    document: Rc<Node>,
    converter: HtmlToMarkdown,
}

impl Page {
    /// Parses `html`, which came from `url`. Any text is a page.
    pub(crate) fn parse(html: &str, url: &Url) -> Self {
        let converter = HtmlToMarkdown::builder().options(style()).build();
        // The parser reads from memory, which does not fail.
        let document = converter
            .html_to_tree(html)
            .unwrap_or_else(|_| Node::new(NodeData::Document));
        let title = find(&document, |node| is_element(node, "title"))
            .map(|title| collapse(&all_text(&title)));
        let base = find(&document, |node| is_element(node, "base"))
            .and_then(|base| url.join(&attribute(&base, "href")?).ok())
            .unwrap_or_else(|| url.clone());
        tidy(&document, &base);
        Self {
            title: title.filter(|title| !title.is_empty()),
            document,
            converter,
        }
    }

    /// What `<title>` says.
    pub(crate) fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The content as Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        self.converter.tree_to_markdown(&self.content())
    }

    /// The content as text, one line for each block.
    pub(crate) fn to_text(&self) -> String {
        plain::text(&self.content())
    }

    /// The element `main` if there is one, else the whole document.
    fn content(&self) -> Rc<Node> {
        find(&self.document, is_main).unwrap_or_else(|| Rc::clone(&self.document))
    }
}

fn style() -> Options {
    Options {
        bullet_list_marker: BulletListMarker::Dash,
        ul_bullet_spacing: 1,
        ol_number_spacing: 1,
        hr_style: HrStyle::Dashes,
        ..Options::default()
    }
}

/// Removes noise, flattens what is nested too deep and makes links absolute.
fn tidy(document: &Rc<Node>, base: &Url) {
    let mut open = vec![(Rc::clone(document), 0)];
    while let Some((node, depth)) = open.pop() {
        if depth >= MAX_DEPTH {
            flatten(&node);
            continue;
        }
        make_absolute(&node, base);
        let mut children = node.children.borrow_mut();
        children.retain(|child| !is_noise(child));
        open.extend(children.iter().map(|child| (Rc::clone(child), depth + 1)));
    }
}

fn flatten(node: &Rc<Node>) {
    let contents = StrTendril::from(all_text(node)).into();
    node.children
        .replace(vec![Node::new(NodeData::Text { contents })]);
}

fn make_absolute(node: &Node, base: &Url) {
    let NodeData::Element { attrs, .. } = &node.data else {
        return;
    };
    attrs
        .borrow_mut()
        .retain_mut(|attribute| match &*attribute.name.local {
            "href" | "src" => resolve(attribute, base),
            _ => true,
        });
}

/// Whether the address leads anywhere: `javascript:` does not, and a `data:`
/// address would be the picture itself.
fn resolve(attribute: &mut Attribute, base: &Url) -> bool {
    let Ok(url) = base.join(&attribute.value) else {
        return false;
    };
    attribute.value = StrTendril::from(url.as_str());
    !matches!(url.scheme(), "javascript" | "data" | "blob")
}

fn is_noise(node: &Rc<Node>) -> bool {
    NOISE.iter().any(|name| is_element(node, name))
        || attribute(node, "hidden").is_some()
        || attribute(node, "aria-hidden").is_some_and(|value| value == "true")
        || attribute(node, "role").is_some_and(|role| NOISE_ROLES.contains(&role.as_str()))
}

fn is_main(node: &Rc<Node>) -> bool {
    is_element(node, "main") || attribute(node, "role").is_some_and(|role| role == "main")
}

fn is_element(node: &Node, wanted: &str) -> bool {
    matches!(&node.data, NodeData::Element { name, .. } if &*name.local == wanted)
}

fn attribute(node: &Node, wanted: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else {
        return None;
    };
    let attrs = attrs.borrow();
    attrs
        .iter()
        .find(|attribute| &*attribute.name.local == wanted)
        .map(|attribute| attribute.value.to_string())
}

/// The first node, in the order of the document, for which `wanted` holds.
fn find(root: &Rc<Node>, wanted: impl Fn(&Rc<Node>) -> bool) -> Option<Rc<Node>> {
    in_order(root).find(wanted)
}

fn all_text(root: &Rc<Node>) -> String {
    in_order(root)
        .filter_map(|node| match &node.data {
            NodeData::Text { contents } => Some(contents.borrow().to_string()),
            _ => None,
        })
        .collect()
}

fn in_order(root: &Rc<Node>) -> impl Iterator<Item = Rc<Node>> {
    let mut open = vec![Rc::clone(root)];
    std::iter::from_fn(move || {
        let node = open.pop()?;
        open.extend(node.children.borrow().iter().rev().map(Rc::clone));
        Some(node)
    })
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
