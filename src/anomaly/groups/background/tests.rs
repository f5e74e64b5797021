//! What is learnt of places, from counts alone.

use super::*;

const WINDOW_S: i64 = 600;

fn place(id: u64) -> Place {
    Place {
        id,
        shape: Shape::Prefix { nodes: 2 },
    }
}

/// Notes an anomaly everywhere and at one place, of 100 of 10,000 series.
fn note(background: &mut Background, id: u64, at: Timestamp) -> Seen {
    let everywhere = Place {
        id: 0,
        shape: Shape::Everywhere,
    };
    background.begin(at, 10_000);
    background.note(everywhere, at, None);
    background.note(place(id), at, Some(100))
}

#[test]
fn the_last_window_is_counted_in_whatever_order() {
    let mut background = Background::new(WINDOW_S);
    let count = |background: &mut Background, at| {
        let seen = note(background, 1, at);
        (seen.all, seen.loose)
    };
    assert_eq!(count(&mut background, 6000), (1, 1));
    assert_eq!(count(&mut background, 6300), (2, 2));
    assert_eq!(count(&mut background, 6100), (3, 3), "late");
    background.claim(1, 6300);
    assert_eq!(count(&mut background, 6539), (4, 3));
    assert_eq!(count(&mut background, 6600), (4, 3), "the first has left the window");
    assert_eq!(count(&mut background, 9000), (1, 1));
    background.claim(1, 6600);
    assert_eq!(count(&mut background, 9001), (2, 2), "what is gone is not claimed");
}

#[test]
fn a_place_is_expected_to_be_as_its_series_are_and_then_as_it_is() {
    let mut background = Background::new(WINDOW_S);
    let first = note(&mut background, 1, 0);
    // A hundredth of the series: 0.07 in a window, doubled because nothing is known yet.
    assert!((0.1..0.2).contains(&first.mean), "{first:?}");
    // Four a day at the place, 200 elsewhere.
    let mut seen = first;
    for hour in 1..24 * 20 {
        for other in 2..10 {
            note(&mut background, other, hour * 3600 + 60 * i64::try_from(other).unwrap());
        }
        if hour % 6 == 0 {
            seen = note(&mut background, 1, hour * 3600);
        }
    }
    let expected = 4.0 / 144.0;
    assert!((expected * 0.8..expected * 1.3).contains(&seen.mean), "{seen:?}");
    assert!(seen.excess < 0.2, "they come by themselves: {seen:?}");
    assert!(
        (background.per_day() / 196.0 - 1.0).abs() < 0.15,
        "{}",
        background.per_day()
    );
    let per_day = background.series_per_day(1);
    assert!((3.0..6.0).contains(&per_day), "{per_day}");
    assert!(
        background.series_per_day(99) < 0.1,
        "of one that was never seen little is expected"
    );
}

#[test]
fn clusters_are_learnt_and_one_incident_is_not() {
    let learnt = |clusters: i64, incident: i64| {
        let mut background = Background::new(WINDOW_S);
        for hour in 1..24 * 10 {
            let id = u64::try_from(hour % 7 + 1).unwrap();
            for number in 0..clusters {
                note(&mut background, id, hour * 3600 + number);
            }
        }
        for number in 0..incident {
            note(&mut background, 1, 24 * 10 * 3600 + number);
        }
        note(&mut background, 1, 24 * 11 * 3600)
    };
    assert!(learnt(1, 0).excess < 0.4, "{:?}", learnt(1, 0));
    assert!(learnt(4, 0).excess > 2.0, "{:?}", learnt(4, 0));
    let (calm, after) = (learnt(1, 0), learnt(1, 300));
    assert!(after.excess < calm.excess + 0.5, "{calm:?} {after:?}");
    assert!(after.mean < calm.mean * 2.0, "{calm:?} {after:?}");
}

#[test]
fn the_quietest_place_makes_room() {
    let mut background = Background::new(WINDOW_S);
    for number in 0..100 {
        note(&mut background, 1, 1000 * number);
    }
    for id in 2..PLACES_TRACKED_MAX as u64 + 1000 {
        note(&mut background, id, 100_000);
    }
    assert_eq!(background.places(), PLACES_TRACKED_MAX);
    assert_eq!(background.evicted(), 1000);
    assert!(background.usual(1) > 90.0, "the busy one is still there");
}

#[test]
fn the_loose_ones_are_out_of_the_ordinary_since_they_come_thick() {
    let mut background = Background::new(WINDOW_S);
    for hour in 1..100 {
        for other in 1..10 {
            note(
                &mut background,
                other,
                hour * 3600 + 300 * i64::try_from(other).unwrap(),
            );
        }
    }
    let now = 100 * 3600;
    note(&mut background, 1, now);
    let mut seen = Seen::default();
    for number in 0..5 {
        seen = note(&mut background, 1, now + 500 + number);
    }
    let since = background.since(1, now + 505, &seen);
    assert!((now + 400..=now + 500).contains(&since), "{}", since - now);
}
