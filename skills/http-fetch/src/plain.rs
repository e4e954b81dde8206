//! The text of a tidy page, without any mark-up.

use markup5ever_rcdom::{Node, NodeData};

/// Elements that stand on lines of their own.
const BLOCKS: [&str; 33] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tr",
    "ul",
];

/// The text below `node`: white space as a browser would show it, one line for
/// each block and a tab between the cells of a table. The tree must not be
/// deep.
pub(crate) fn text(node: &Node) -> String {
    let mut lines = Lines::default();
    lines.read(node, false);
    lines.text.truncate(lines.text.trim_end().len());
    lines.text
}

#[derive(Default)]
struct Lines {
    text: String,
    /// White space is owed before the next word.
    space: bool,
}

impl Lines {
    fn read(&mut self, node: &Node, verbatim: bool) {
        match &node.data {
            NodeData::Text { contents } if verbatim => self.text.push_str(&contents.borrow()),
            NodeData::Text { contents } => self.words(&contents.borrow()),
            NodeData::Element { name, .. } => self.element(node, &name.local, verbatim),
            NodeData::Document => self.children(node, verbatim),
            _ => {}
        }
    }

    fn element(&mut self, node: &Node, name: &str, verbatim: bool) {
        let block = BLOCKS.contains(&name);
        if block || name == "br" {
            self.end_line();
        }
        self.children(node, verbatim || name == "pre");
        if block {
            self.end_line();
        }
        if matches!(name, "td" | "th") {
            self.text.push('\t');
            self.space = false;
        }
    }

    fn children(&mut self, node: &Node, verbatim: bool) {
        for child in node.children.borrow().iter() {
            self.read(child, verbatim);
        }
    }

    fn words(&mut self, text: &str) {
        self.space |= text.starts_with(is_space);
        for word in text.split(is_space).filter(|word| !word.is_empty()) {
            if self.space && !self.text.is_empty() && !self.text.ends_with(['\n', '\t']) {
                self.text.push(' ');
            }
            self.text.push_str(word);
            self.space = true;
        }
        if !text.is_empty() {
            self.space = text.ends_with(is_space);
        }
    }

    fn end_line(&mut self) {
        self.space = false;
        let end = self.text.trim_end_matches(['\t', ' ']).len();
        self.text.truncate(end);
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}

/// What HTML collapses; a no-break space is not among it.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace()
}
