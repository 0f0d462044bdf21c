//! A headless Chromium, where one is installed: what a page looks like, in numbers.
//!
//! The page is put into frames of several widths, once as it is and once with its dark colours, and a script beside the
//! frames measures them. The page itself has no script and needs none.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

/// By which names it is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chromium-shell"];
/// What a page writes around its dark colours.
const DARK: &str = "@media (prefers-color-scheme: dark)";

const MEASURE: &str = r#"<!doctype html><meta charset="utf-8"><body><pre id="measured"></pre><script>
const frames = [...document.querySelectorAll('iframe')];
const light = colour => { const [r, g, b] = colour.match(/[\d.]+/g).map(Number).map(v => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
addEventListener('load', () => { document.getElementById('measured').textContent = JSON.stringify(frames.map(frame => {
  const page = frame.contentDocument; const style = getComputedStyle(page.body);
  const pictures = [...page.querySelectorAll('svg')].map(svg => svg.getBoundingClientRect());
  const spilt = [...page.querySelectorAll('svg text')].filter(text => { const own = text.getBoundingClientRect();
    const around = text.closest('svg').getBoundingClientRect();
    return own.right > around.right + 0.5 || own.bottom > around.bottom + 0.5; }).map(text => text.textContent);
  const narrow = [...page.querySelectorAll('th, td')].filter(cell => cell.clientWidth > 0 && cell.clientWidth < 40)
    .map(cell => cell.textContent);
  const [a, b] = [light(style.color), light(style.backgroundColor)];
  return { width: frame.clientWidth, needed: page.documentElement.scrollWidth, pictures: pictures.filter(p => p.width > 100 &&
    p.height > 40).length, spilt, narrow, contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), paper: b, scripts:
    page.scripts.length };
})); });
</script>"#;

/// A page in a frame.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Looks {
    pub width: f64,
    /// How wide the page wants to be.
    pub needed: f64,
    /// How many pictures have a size.
    pub pictures: usize,
    /// Texts that leave their picture.
    pub spilt: Vec<String>,
    /// Cells in which words have to be broken.
    pub narrow: Vec<String>,
    /// Of text on paper; 1 is none, 21 the most.
    pub contrast: f64,
    /// How light the paper is, 0 to 1.
    pub paper: f64,
    /// How many scripts there are.
    pub scripts: usize,
}

/// Where it is, if it is.
pub fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

/// The page in frames of these widths, light and then dark.
pub fn look(chromium: &PathBuf, html: &str, widths: &[u32]) -> io::Result<Vec<Looks>> {
    let quoted = |html: &str| html.replace('&', "&amp;").replace('"', "&quot;");
    let frames = widths.iter().flat_map(|width| {
        [html.to_owned(), html.replace(DARK, "@media all")].map(|page| {
            format!(
                r#"<iframe style="border:0;width:{width}px;height:900px" srcdoc="{}"></iframe>"#,
                quoted(&page)
            )
        })
    });
    let frames: String = frames.collect();
    let page = MEASURE.replace("<script>", &format!("{frames}<script>"));
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("frames.html");
    std::fs::write(&file, page)?;
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--virtual-time-budget=10000",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let measured = shown
        .split_once(r#"<pre id="measured">"#)
        .and_then(|(_, rest)| rest.split_once("</pre>"))
        .map(|(measured, _)| {
            measured
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&")
        });
    let failed = || io::Error::other(format!("{}\n{shown}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(&measured.ok_or_else(failed)?).map_err(|_| failed())
}
