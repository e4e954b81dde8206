use super::*;

fn page(html: &str) -> Page {
    Page::parse(html, &Url::parse("https://a.example/docs/page").unwrap())
}

fn markdown(html: &str) -> String {
    page(html).to_markdown()
}

#[test]
fn headings_emphasis_and_paragraphs() {
    let html = "<h1>One</h1><p>a <b>bold</b> and <em>slanted</em> word</p><h3>Three</h3><hr>";
    assert_eq!(
        markdown(html),
        "# One\n\na **bold** and *slanted* word\n\n### Three\n\n- - -"
    );
}

#[test]
fn lists_nest() {
    let html = "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul><ol><li>x</li><li>y</li></ol>";
    assert_eq!(markdown(html), "- a\n  - b\n- c\n\n1. x\n2. y");
}

#[test]
fn code_keeps_its_lines_and_language() {
    let html = "<p>call <code>f(x)</code></p><pre><code class='language-rust'>fn f() {\n    x\n}\n</code></pre>";
    assert_eq!(
        markdown(html),
        "call `f(x)`\n\n```rust\nfn f() {\n    x\n}\n```"
    );
}

#[test]
fn tables_stay_tables() {
    let html = "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>";
    let rows: Vec<_> = markdown(html)
        .lines()
        .map(|row| row.replace(' ', ""))
        .collect();
    assert_eq!(rows, ["|a|b|", "|-|-|", "|1|2|"]);
}

#[test]
fn links_and_pictures_are_absolute() {
    let html =
        "<a href='../x?y#z'>up</a> <a href='//b.example/'>over</a> <img src='i.png' alt='picture'>";
    assert_eq!(
        markdown(html),
        "[up](https://a.example/x?y#z) [over](https://b.example/) ![picture](https://a.example/docs/i.png)"
    );
}

#[test]
fn the_base_element_moves_relative_links() {
    let html = "<head><base href='/other/'></head><a href='x'>y</a>";
    assert_eq!(markdown(html), "[y](https://a.example/other/x)");
}

#[test]
fn addresses_that_lead_nowhere_are_dropped() {
    let html =
        "<a href='javascript:alert(1)'>run</a> <img src='data:image/png;base64,AAAA' alt='dot'>";
    assert_eq!(markdown(html).trim(), "run");
}

#[test]
fn noise_is_left_out() {
    let html = "<nav>menu</nav><script>x()</script><style>p{}</style><noscript>turn it on</noscript>\
                <p hidden>secret</p><div role='navigation'>crumbs</div><p>text</p><button>Buy</button>\
                <svg><text>logo</text></svg><footer>imprint</footer>";
    assert_eq!(markdown(html), "text");
    assert_eq!(page(html).to_text(), "text");
}

#[test]
fn only_the_main_part_is_given_if_there_is_one() {
    assert_eq!(
        markdown("<div>ads</div><main><h1>x</h1></main><div>more</div>"),
        "# x"
    );
    assert_eq!(markdown("<div>ads</div><div role=main>x</div>"), "x");
}

#[test]
fn the_title_is_one_line() {
    assert_eq!(
        page("<title>\n a &amp;\n b </title><p>x").title(),
        Some("a & b")
    );
    assert_eq!(page("<title> </title>x").title(), None);
    assert_eq!(page("x").title(), None);
    assert_eq!(markdown("<title>t</title><p>x"), "x");
}

#[test]
fn text_has_a_line_for_each_block() {
    let html = "<h1>One</h1><p>a <b>b</b>, c\n d<br>e</p><ul><li>f</li><li>g</li></ul>\
                <table><tr><td>1</td><td>2</td></tr></table><pre>x\n  y</pre>";
    assert_eq!(page(html).to_text(), "One\na b, c d\ne\nf\ng\n1\t2\nx\n  y");
}

#[test]
fn broken_html_is_read_all_the_same() {
    assert_eq!(markdown("<p>a<b>c<p>d</i>"), "a**c**\n\n**d**");
    assert_eq!(markdown(""), "");
    assert_eq!(page("just text").to_text(), "just text");
}

#[test]
fn deep_nesting_is_flattened() {
    let html = "<div>".repeat(5_000) + "deep" + &"</div>".repeat(5_000) + "<p>after";
    let page = page(&html);
    assert!(page.to_markdown().contains("deep"));
    assert!(page.to_text().contains("deep"));
}

#[test]
fn a_directory_listing_reads_as_in_the_readme() {
    let html = "<h1>Directory listing for /</h1>\n<hr>\n<ul>\n<li><a href=\"notes.txt\">notes.txt</a></li>\n</ul>\n<hr>\n";
    let page = Page::parse(html, &Url::parse("http://127.0.0.1:8000/").unwrap());
    let expected = "# Directory listing for /\n\n- - -\n\n- [notes.txt](http://127.0.0.1:8000/notes.txt)\n\n- - -";
    assert_eq!(page.to_markdown(), expected);
}
