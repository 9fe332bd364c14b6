//! `cargo xtask links`: every relative link and anchor in the Markdown files leads somewhere.
//!
//! | case | verdict |
//! |---|---|
//! | `https:`, `mailto:` | not looked at: no network here |
//! | file that does not exist, or lies outside the project | broken |
//! | `#anchor` that no heading or `id="…"` of the target makes | broken |
//! | link from a page of the book to a file outside `docs/src` | broken: the book does not carry it |
//! | page of the book that `SUMMARY.md` does not list | broken: no reader would find it |

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Folders that hold no documents of ours.
const SKIPPED: [&str; 4] = ["target", "book", "runs", "node_modules"];

/// Checks all Markdown files under `root`; the error lists `file:line` of each broken link.
pub(crate) fn run(root: &Path) -> Result<()> {
    let pages = read_pages(root)?;
    let broken = broken_links(root, &pages);
    if broken.is_empty() {
        println!(
            "links: {} in {} files lead somewhere",
            count(&pages),
            pages.len()
        );
        return Ok(());
    }
    bail!("{}\nlinks: {} broken", broken.join("\n"), broken.len());
}

/// What one Markdown file offers and asks for.
struct Page {
    /// Line and destination of each relative link and image.
    links: Vec<(usize, String)>,
    anchors: BTreeSet<String>,
}

fn count(pages: &BTreeMap<PathBuf, Page>) -> usize {
    pages.values().map(|page| page.links.len()).sum()
}

/// All Markdown files by their path relative to `root`.
fn read_pages(root: &Path) -> Result<BTreeMap<PathBuf, Page>> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                pages.insert(path.strip_prefix(root)?.to_path_buf(), Page::read(&text));
            }
        }
    }
    Ok(pages)
}

impl Page {
    fn read(text: &str) -> Self {
        let options = Options::ENABLE_TABLES | Options::ENABLE_HEADING_ATTRIBUTES;
        let mut page = Self {
            links: Vec::new(),
            anchors: BTreeSet::new(),
        };
        let mut heading: Option<(Option<String>, String)> = None;
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { id, .. }) => {
                    heading = Some((id.map(|id| id.to_string()), String::new()));
                }
                Event::End(TagEnd::Heading(_)) => {
                    if let Some((id, title)) = heading.take() {
                        page.add_anchor(&id.unwrap_or_else(|| slug(&title)));
                    }
                }
                Event::Text(part) | Event::Code(part) => {
                    if let Some((_, title)) = &mut heading {
                        title.push_str(&part);
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    for id in html.split("id=\"").skip(1) {
                        page.anchors.extend(id.split('"').next().map(str::to_owned));
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. })
                    if !is_external(&dest_url) =>
                {
                    let line = text[..range.start].matches('\n').count() + 1;
                    page.links.push((line, dest_url.to_string()));
                }
                _ => {}
            }
        }
        page
    }

    /// Equal headings get `-1`, `-2`, … as on the common hosts and in mdBook.
    fn add_anchor(&mut self, anchor: &str) {
        let repeated = (1..).map(|n| format!("{anchor}-{n}"));
        let free = std::iter::once(anchor.to_owned())
            .chain(repeated)
            .find(|a| !self.anchors.contains(a));
        self.anchors.extend(free);
    }
}

fn is_external(destination: &str) -> bool {
    destination.contains("://") || destination.starts_with("mailto:")
}

/// The anchor of a heading: lower case, spaces to hyphens, other signs dropped.
fn slug(title: &str) -> String {
    title
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// One line per broken link.
fn broken_links(root: &Path, pages: &BTreeMap<PathBuf, Page>) -> Vec<String> {
    let book = Path::new("docs/src");
    let summary = book.join("SUMMARY.md");
    let mut listed = BTreeSet::new();
    let mut broken = Vec::new();
    for (path, page) in pages {
        for (line, destination) in &page.links {
            let (file, anchor) = destination.split_once('#').unwrap_or((destination, ""));
            let target = if file.is_empty() {
                Some(path.clone())
            } else {
                resolve(path, file)
            };
            let why = match &target {
                None => Some("lies outside the project"),
                Some(target) if !root.join(target).exists() => Some("does not exist"),
                Some(target) if path.starts_with(book) && !target.starts_with(book) => {
                    Some("is not part of the book")
                }
                Some(target) if !anchor.is_empty() => match pages.get(target) {
                    Some(page) if page.anchors.contains(anchor) => None,
                    Some(_) => Some("has no such heading"),
                    None => Some("is not Markdown, so it has no anchors"),
                },
                Some(_) => None,
            };
            if let Some(why) = why {
                broken.push(format!("{}:{line}: `{destination}` {why}", path.display()));
            }
            if *path == summary {
                listed.extend(target);
            }
        }
    }
    for path in pages
        .keys()
        .filter(|path| path.starts_with(book) && **path != summary)
    {
        if !listed.contains(path) {
            broken.push(format!(
                "{}:1: not listed in {}",
                path.display(),
                summary.display()
            ));
        }
    }
    broken
}

/// `file` as seen from the page `from`, relative to the project; `None` above its top.
fn resolve(from: &Path, file: &str) -> Option<PathBuf> {
    let mut path = from.parent()?.to_path_buf();
    for part in Path::new(file).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The broken links of a project made of these files.
    fn check(files: &[(&str, &str)]) -> Result<Vec<String>> {
        let root = tempfile::tempdir()?;
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().context("no parent")?)?;
            fs::write(path, text)?;
        }
        Ok(broken_links(root.path(), &read_pages(root.path())?))
    }

    #[test]
    fn sound_links_pass() -> Result<()> {
        let readme = "# A `b` c\n[self](#a-b-c) [file](LICENSE) [page](docs/x.md#two-1) \
                      [out](https://example.org/none) [folder](docs/)";
        let page = "# Two\n# Two\n[up](../README.md) `[code](not/a/link)`";
        let files = [("README.md", readme), ("docs/x.md", page), ("LICENSE", "")];
        assert_eq!(check(&files)?, Vec::<String>::new());
        Ok(())
    }

    #[test]
    fn each_kind_of_break_is_named_with_its_line() -> Result<()> {
        let text = "# A\n\n[a](none.md)\n[b](#none)\n[c](../x.md)\n[d](LICENSE#x)";
        assert_eq!(
            check(&[("README.md", text), ("LICENSE", "")])?,
            [
                "README.md:3: `none.md` does not exist",
                "README.md:4: `#none` has no such heading",
                "README.md:5: `../x.md` lies outside the project",
                "README.md:6: `LICENSE#x` is not Markdown, so it has no anchors",
            ]
        );
        Ok(())
    }

    #[test]
    fn the_book_is_closed_and_complete() -> Result<()> {
        let files = [
            ("README.md", ""),
            ("docs/src/SUMMARY.md", "[a](a.md)"),
            ("docs/src/a.md", "[out](../../README.md)"),
            ("docs/src/b.md", ""),
        ];
        assert_eq!(
            check(&files)?,
            [
                "docs/src/a.md:1: `../../README.md` is not part of the book",
                "docs/src/b.md:1: not listed in docs/src/SUMMARY.md",
            ]
        );
        Ok(())
    }

    #[test]
    fn anchors_follow_the_common_rule() {
        assert_eq!(slug("Finite K: what it costs"), "finite-k-what-it-costs");
        assert_eq!(slug("`infalign design`"), "infalign-design");
        assert_eq!(slug("Φ* and β"), "φ-and-β");
    }
}
