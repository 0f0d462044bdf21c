//! The page of an incident in a browser: on a desk and on a phone, light and dark.

use std::path::Path;

use tests::{browser, skip};

const SNAPSHOT: &str = "../provisioner/src/report/snapshots/provisioner__report__incident__tests__a_recorded_history_becomes_a_page.snap";

#[test]
fn the_page_of_an_incident_fits_a_desk_and_a_phone_light_and_dark() {
    let Some(chromium) = browser::chromium() else {
        skip::impossible(
            "the_page_of_an_incident_fits_a_desk_and_a_phone_light_and_dark",
            "no Chromium is installed",
        );
        return;
    };
    // Behind the snapshot's own head.
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join(SNAPSHOT);
    let snapshot = std::fs::read_to_string(snapshot).unwrap();
    let (_, html) = snapshot.split_once("\n---\n").unwrap();
    let looks = browser::look(&chromium, html, &[1280, 390]).unwrap();
    assert_eq!(looks.len(), 4, "{looks:?}");
    for look in &looks {
        assert!(
            look.needed <= look.width,
            "it has to be scrolled sideways: {look:?}"
        );
        assert_eq!((look.pictures, look.scripts), (2, 0), "{look:?}");
        assert_eq!(look.spilt, Vec::<String>::new(), "{look:?}");
        assert_eq!(look.narrow, Vec::<String>::new(), "{look:?}");
        assert!(look.contrast >= 7.0, "{look:?}");
    }
    let papers: Vec<bool> = looks.iter().map(|look| look.paper > 0.5).collect();
    assert_eq!(papers, [true, false, true, false], "light and dark by turns");
}
