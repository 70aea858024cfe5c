//! Numbers of soaks that nobody ran, drawn from seeds.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const SEEDS: u64 = 200;
const NOW_MS: i64 = 1_800_000_000_000;
const KEEP: Keep = Keep { telemetry_mib: 4.0, bus: Duration::from_secs(3_600), now_ms: NOW_MS };

/// Half an hour of a product that is well: it warms up, and what it takes wavers.
fn well(random: &mut ChaCha8Rng) -> Vec<Row> {
    let mut kept_mib = 0.0_f64;
    let row = |minute: u32| {
        let came_mib: f64 = random.random_range(0.35..0.55);
        kept_mib = (kept_mib + came_mib).min(KEEP.telemetry_mib + came_mib);
        let minutes = f64::from(minute);
        let warm = 40.0 * (1.0 - (-minutes / 3.0).exp());
        let private_mib: f64 = 60.0 + warm + random.random_range(-0.6..0.6);
        let taken = Taken {
            resident_mib: private_mib + 30.0,
            private_mib,
            threads: 20.0 + f64::floor(random.random_range(0.0..4.0)),
            descriptors: 50.0 + f64::floor(random.random_range(0.0..6.0)),
            file_mib: 10.0 + minutes,
            ahead_mib: random.random_range(0.0..18.0),
        };
        let contents = Contents {
            telemetry_mib: 2.0 * kept_mib + random.random_range(0.0..0.3),
            bus_mib: 0.1 + 1.3 * minutes,
            documents_mib: 0.1 + 0.02 * minutes,
            empty_mib: random.random_range(0.0..2.0),
            kept_mib,
            records_mib: minutes,
            oldest_ms: Some(NOW_MS - 60_000 * 30),
        };
        let opened = (minute / 3) as usize;
        Row {
            at: Duration::from_secs(60 * u64::from(minute)),
            taken,
            contents: Some(contents),
            opened,
            ended: opened / 2,
        }
    };
    (1..=30).map(row).collect()
}

/// What does not hold of these.
fn broken(rows: &[Row]) -> Vec<&'static str> {
    let verdicts = [of_sizes(rows, &KEEP), of_growth(rows, &KEEP)].concat();
    verdicts.iter().filter(|verdict| !verdict.holds).map(|verdict| verdict.what).collect()
}

/// Changes every row by its minutes, and asks what does not hold then.
fn with(rows: &[Row], change: impl Fn(&mut Row, &mut Contents, f64)) -> Vec<&'static str> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        let mut contents = row.contents.unwrap();
        let at = minutes(row.at);
        change(row, &mut contents, at);
        row.contents = Some(contents);
    }
    broken(&rows)
}

#[test]
fn what_is_well_is_let_be_and_each_leak_is_named() {
    for seed in 0..SEEDS {
        let rows = well(&mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(broken(&rows), [""; 0], "seed {seed}: {}", table(&rows));
        // A MiB a minute.
        let leak = with(&rows, |row, _, minutes| row.taken.private_mib += minutes);
        assert_eq!(leak, ["memory"], "seed {seed}");
        let leak = with(&rows, |row, _, minutes| row.taken.descriptors += 2.0 * minutes);
        assert_eq!(leak, ["descriptors"], "seed {seed}");
        let leak = with(&rows, |row, _, minutes| row.taken.threads += minutes);
        assert_eq!(leak, ["threads"], "seed {seed}");
        let leak = with(&rows, |_, contents, minutes| contents.telemetry_mib += minutes);
        assert_eq!(leak, ["telemetry in the file"], "seed {seed}");
        let leak = with(&rows, |_, contents, minutes| contents.kept_mib += minutes);
        assert_eq!(leak, ["telemetry that is kept"], "seed {seed}");
        let leak = with(&rows, |_, contents, minutes| contents.documents_mib += minutes);
        assert_eq!(leak, ["documents"], "seed {seed}");
        let leak = with(&rows, |_, contents, minutes| contents.bus_mib += minutes);
        assert_eq!(leak, ["event bus"], "seed {seed}");
        let leak = with(&rows, |_, contents, minutes| contents.empty_mib += 2.0 * minutes);
        assert_eq!(leak, ["empty pages"], "seed {seed}");
        let leak = with(&rows, |row, _, minutes| row.taken.ahead_mib += 3.0 * minutes);
        assert_eq!(leak, ["write-ahead log"], "seed {seed}");
        let old = with(&rows, |_, contents, _| contents.oldest_ms = Some(NOW_MS - 65 * 60_000));
        assert_eq!(old, ["oldest record of the bus"], "seed {seed}");
    }
}

#[test]
fn too_little_is_no_verdict() {
    let rows = well(&mut ChaCha8Rng::seed_from_u64(1));
    for short in 0..2 * POINTS_MIN - 1 {
        assert!(broken(&rows[..short]).contains(&"memory") || short == 0, "{short} rows");
        assert!(!broken(&rows[..short]).is_empty(), "{short} rows");
    }
    let never = with(&rows, |_, contents, _| contents.kept_mib = 1.0);
    assert_eq!(never, ["telemetry that is kept"]);
}

#[test]
fn where_clusters_keep_everything_their_files_are_not_judged() {
    let mut rows = well(&mut ChaCha8Rng::seed_from_u64(2));
    rows.iter_mut().for_each(|row| row.contents = None);
    assert_eq!(broken(&rows), [""; 0]);
    let judged = [of_sizes(&rows, &KEEP), of_growth(&rows, &KEEP)].concat();
    let judged: Vec<&str> = judged.iter().map(|verdict| verdict.what).collect();
    assert_eq!(judged, ["write-ahead log", "memory", "descriptors", "threads"]);
}
