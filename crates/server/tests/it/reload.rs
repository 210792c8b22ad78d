//! The configuration file while the server runs.

use std::fs;

use whydown_server::config::{self, Config};
use whydown_server::serve::{Running, ServeOptions, Watch};

use crate::support::{around, eventually, scratch};

struct Setup {
    running: Running,
    dir: tempfile::TempDir,
}

impl Setup {
    async fn new(text: &str) -> Self {
        let dir = scratch();
        let file = dir.path().join("whydown.yaml");
        fs::write(&file, text).unwrap();
        let options = ServeOptions {
            config: Some(file.clone()),
            data: Some(dir.path().join("data")),
            listen: None,
        };
        let watch = Watch::new(&file);
        let config = config::load(&file, &|_| None).unwrap();
        let config = Config { data: dir.path().join("data"), ..config };
        let mut running = Running::start_in(config, around()).await.unwrap();
        running.follow(options, watch);
        Self { running, dir }
    }

    fn write(&self, text: &str) {
        fs::write(self.dir.path().join("whydown.yaml"), text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let monitors = self.running.app().monitors();
        monitors.iter().map(|entry| entry.monitor.name.clone()).collect()
    }

    async fn becomes(&self, names: &[&str]) {
        eventually(&format!("{names:?}"), async || (self.names() == names).then_some(())).await;
    }
}

fn monitors(names: &[&str]) -> String {
    let one = |name: &&str| format!("  - name: {name}\n    target: https://example.com/\n");
    format!("monitors:\n{}", names.iter().map(one).collect::<String>())
}

#[tokio::test]
async fn a_changed_file_is_in_force_at_once() {
    let setup = Setup::new(&monitors(&["a"])).await;
    assert_eq!(setup.names(), ["a"]);
    setup.write(&monitors(&["a", "b"]));
    setup.becomes(&["a", "b"]).await;
    // As editors do it: a new file takes the old one's place.
    let new = setup.dir.path().join("new");
    fs::write(&new, monitors(&["c"])).unwrap();
    fs::rename(&new, setup.dir.path().join("whydown.yaml")).unwrap();
    setup.becomes(&["c"]).await;
    assert!(setup.running.app().health().is_good());
    setup.running.stop().await;
}

#[tokio::test]
async fn a_broken_file_is_refused_and_shown_and_the_old_one_stays() {
    let setup = Setup::new(&monitors(&["a"])).await;
    setup.write("monitors:\n  - name: a\n    target: htps://example.com\n    intervall: 3s\n");
    let app = setup.running.app();
    let trouble = eventually("the trouble to show", async || app.health().config).await;
    assert!(trouble.contains("whydown.yaml:3:13: monitors[0].target: unknown scheme"), "{trouble}");
    assert!(trouble.contains("did you mean interval?"), "{trouble}");
    assert_eq!(setup.names(), ["a"]);
    setup.write(&monitors(&["b"]));
    setup.becomes(&["b"]).await;
    eventually("the trouble to be over", async || app.health().is_good().then_some(())).await;
    setup.running.stop().await;
}

#[tokio::test]
async fn a_file_that_goes_away_leaves_everything_as_it_was() {
    let setup = Setup::new(&monitors(&["a"])).await;
    fs::remove_file(setup.dir.path().join("whydown.yaml")).unwrap();
    let app = setup.running.app();
    let trouble = eventually("the trouble to show", async || app.health().config).await;
    assert!(trouble.contains("cannot be read: No such file"), "{trouble}");
    assert_eq!(setup.names(), ["a"]);
    setup.write(&monitors(&["b"]));
    setup.becomes(&["b"]).await;
    setup.running.stop().await;
}

#[tokio::test]
async fn a_hangup_signal_reads_the_file_again() {
    let setup = Setup::new("monitors: []\n").await;
    setup.write("monitors: [\n");
    let app = setup.running.app();
    eventually("the trouble to show", async || app.health().config).await;
    setup.write("monitors: []\n");
    eventually("the trouble to be over", async || app.health().is_good().then_some(())).await;
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
    setup.write(&monitors(&["a"]));
    setup.becomes(&["a"]).await;
    setup.running.stop().await;
}
