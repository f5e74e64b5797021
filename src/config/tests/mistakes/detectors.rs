//! Mistakes in `[detector.*]`.

use super::*;

#[test]
fn mistakes_within_a_model_are_shown() {
    says(
        "[detector.busy]\nkind = \"expression\"\nwhen = \"value > 3 * medain('1h')\"",
        "f.toml:3:21: detector.busy.when: there is no function `medain`; did you mean `median`?\n \
         3 | when = \"value > 3 * medain('1h')\"\n   \
           |                     ^^^^^^",
    );
    say_all(
        "[detector.busy]\nkind = \"expression\"\nwhen = '''\nlet m = median('1h');\n  value > 3 * n\n'''\nscore = \"2 >\"",
        &[
            "f.toml:5:15: detector.busy.when: nothing is called `n`; did you mean `m`?\n 5 |   value > 3 * n\n   |               ^",
            "f.toml:7:13: detector.busy.score: the end stands here, expected a value, such as `value`, `median('1h')` or a \
             number\n 7 | score = \"2 >\"\n   |             ^",
        ],
    );
    say_all(
        "[detector.busy]\nkind = \"expression\"\n[detector.default]\nkind = \"expression\"\nwhen = true\nmax_age = \"0s\"",
        &[
            "f.toml:1:1: detector.busy has no `when`, expected a condition in quotes, such as \"value > 3 * median('1h')\"",
            "f.toml:5:8: detector.default.when is true, expected a condition in quotes, such as \"value > 3 * median('1h')\"",
            "f.toml:6:11: detector.default.max_age is `0s`, expected 1s to 3650d",
        ],
    );
    says(
        "[detector.busy]\nkind = \"expression\"\nwhen = \"detector('defalt').anomalous\"\n[detector.default]\nkind = \"skyline\"",
        "f.toml:3:18: detector.busy.when names `defalt`, which does not exist; did you mean `default`?\n 3 | when = \"detector('defalt').anomalous\"\n   |                  ^^^^^^^^",
    );
    say_all(
        "[detector.busy]\nkind = \"expression\"\nwhen = \"\"\"\nlet high = value > 3;\nhigh and detector('a').anomalous\"\"\"\nscore = \"1 + detector('b').score\"",
        &[
            "f.toml:5:19: detector.busy.when names `a`, which does not exist; declare it as [detector.a]\n 5 | high and detector('a').anomalous\"\"\"\n   |                   ^^^",
            "f.toml:6:23: detector.busy.score names `b`, which does not exist; declare it as [detector.b]\n 6 | score = \"1 + detector('b').score\"\n   |                       ^^^",
        ],
    );
    says(
        "[detector.busy]\nkind = \"expression\"\nwhen = \"detector('busy').anomalous\"",
        "f.toml:3:18: detector `busy` goes by `busy`, expected detectors that do not wait for themselves\n 3 | when = \
         \"detector('busy').anomalous\"\n   |                  ^^^^^^",
    );
}

#[test]
fn votes_that_cannot_be() {
    let detector = "[detector.d]\nkind = \"skyline\"\n";
    says(
        &format!("{detector}consensus = 12"),
        "f.toml:3:13: detector.d.consensus is 12, but 9 algorithms are on, expected 1 to 9",
    );
    says(
        &format!("{detector}algorithms = [\"grubbs\", \"ks_test\"]"),
        "f.toml:3:14: 2 algorithms are on, so detector.d.consensus has to say how many of them make an anomaly, \
         expected 1 to 2",
    );
    says(
        &format!("{detector}algorithms = []"),
        "f.toml:3:14: detector.d.algorithms is empty, expected at least one",
    );
    says(
        &format!("{detector}consensus = 2\nalgorithms = [\"ks_test\", \"grubs\"]\ngrubbs.alpha = 0.1"),
        "f.toml:4:26: detector.d.algorithms has `grubs`, which is not an algorithm; did you mean `grubbs`?",
    );
    says(
        &format!("{detector}consensus = 1\nalgorithms = [\"grubbs\", \"grubbs\"]"),
        "f.toml:4:25: detector.d.algorithms has `grubbs` twice, first at f.toml:4:15",
    );
    says(
        &format!("{detector}consensus = 1\nalgorithms = [\"grubbs\"]\nks_test.alpha = 0.1"),
        "f.toml:5:1: detector.d.ks_test is set, but detector.d.algorithms leaves it out",
    );
    says(
        &format!("{detector}ks_test.probe = \"1h\""),
        "f.toml:3:17: detector.d.ks_test.probe is not shorter than detector.d.ks_test.reference, in which the samples \
         before it are looked for",
    );
    says(
        &format!("window.span = \"6h\"\n{detector}first_hour_average.older_than = \"6h\""),
        "f.toml:4:33: detector.d.first_hour_average.older_than reaches back further than window.span",
    );
    says(
        "[detector.d]\ngrubbs.alpha = 0.1",
        &format!("f.toml:1:1: detector.d has no kind, {KINDS}"),
    );
    says(
        "[detector.d]\nkind = \"skylime\"",
        &format!("f.toml:2:8: detector.d.kind is `skylime`, {KINDS}; did you mean `skyline`?"),
    );
}

#[test]
fn an_adaptive_detector_that_cannot_be() {
    let adaptive = "[detector.d]\nkind = \"adaptive\"\n";
    say_all(
        &format!("{adaptive}sensitivity = 0\ndirection = \"up\"\nmin_deviation = \"ten\"\ntimezone = \"Berlin\""),
        &[
            "f.toml:3:15: detector.d.sensitivity is 0, expected a number from 0.01 to 100",
            "f.toml:4:13: detector.d.direction is `up`, expected `above`, `below` or `both`",
            "f.toml:5:17: detector.d.min_deviation is `ten`, expected a percentage, such as \"10%\"",
            "f.toml:6:12: detector.d.timezone is `Berlin`, expected a time zone by its IANA name, such as \
             \"Europe/Berlin\"",
        ],
    );
    say_all(
        &format!("{adaptive}min_deviation = -1\nseverity.level = \"fatal\"\nconsensus = 6"),
        &[
            "f.toml:3:17: detector.d.min_deviation is -1, expected a number, 0 or more, or a percentage of what is \
             expected, such as \"10%\"",
            "f.toml:4:18: detector.d.severity.level is `fatal`, expected `info`, `warning` or `critical`",
            "f.toml:5:1: unknown key `consensus` in [detector.d], expected `kind`, `sensitivity`, `direction`, \
             `min_deviation`, `timezone`, `silent_samples`, `silent_for`, `quiet_samples`, `quiet_for`, `explain` or `severity`",
        ],
    );
}

#[test]
fn ensembles_that_cannot_be() {
    let of = |name: &str, kind: &str| format!("[detector.{name}]\nkind = \"{kind}\"\n");
    let members = |name: &str, of: &str| format!("[detector.{name}]\nkind = \"any_of\"\nof = [{of}]\n");
    let watched = |detectors: &str| detectors.to_owned() + "[[watch]]\nmatch = [\"**\"]\ndetectors = [\"default\"]\n";
    says(
        &of("e", "all_of"),
        "f.toml:1:1: detector.e.of has no members, expected an array of detectors, such as [\"default\", \"classic\"]",
    );
    says(
        &members("e", ""),
        "f.toml:3:6: detector.e.of has no members, expected an array of detectors, such as [\"default\", \"classic\"]",
    );
    says(
        &members("e", "\"defualt\""),
        "f.toml:3:7: detector.e.of names `defualt`, which does not exist; did you mean `default`?",
    );
    says(
        &members("e", "\"default\", \"default\""),
        "f.toml:3:18: detector.e.of has `default` twice, first at f.toml:3:7",
    );
    says(
        &(of("e", "k_of") + "of = [\"default\"]\n"),
        "f.toml:1:1: detector.e has no `k`, expected how many of its members have to agree",
    );
    says(
        &(of("e", "k_of") + "k = 2\nof = [\"default\"]\n"),
        "f.toml:3:5: detector.e.k is 2, but there is 1 member, expected 1",
    );
    says(
        &(of("e", "any_of") + "k = 2\nof = [\"default\"]\n"),
        "f.toml:3:1: unknown key `k` in [detector.e], expected `kind`, `of` or `severity`",
    );
    let expected = "expected detectors that do not wait for themselves";
    says(
        &watched(&members("e", "\"e\"")),
        &format!("f.toml:3:8: detector `e` goes by `e`, {expected}\n 3 | of = [\"e\"]\n   |        ^"),
    );
    says(
        &watched(&(members("a", "\"default\", \"b\"") + &members("b", "\"c\"") + &members("c", "\"b\""))),
        &format!(
            "f.toml:6:8: detector `b` goes by `c`, which goes by `b`, {expected}\n 6 | of = [\"c\"]\n   |        ^"
        ),
    );
}

#[test]
fn thresholds_that_cannot_be() {
    let threshold = |keys: &str| format!("[detector.t]\nkind = \"threshold\"\n{keys}");
    let one_of = "expected one of `above`, `below`, `outside` and `inside`";
    says(
        &threshold(""),
        &format!("f.toml:1:1: detector.t has no bound, {one_of}"),
    );
    says(
        &threshold("above = 5\nbelow = 1"),
        "f.toml:4:9: detector.t.below is set beside `above`, expected `outside = [below, above]` for both",
    );
    says(
        &threshold("above = 5\ninside = [1, 2]"),
        &format!("f.toml:4:10: detector.t.inside is set beside `above`, {one_of}"),
    );
    says(
        &threshold("outside = [9, 1]"),
        "f.toml:3:11: detector.t.outside is an array, expected two numbers, the smaller one first, such as [10, 90]",
    );
    says(
        &threshold("above = \"90%\""),
        "f.toml:3:9: detector.t.above is `90%`, expected a number",
    );
    says(
        &threshold("above = 90\nclear = 95"),
        "f.toml:4:9: detector.t.clear lies on the wrong side of the bound, expected a value that is not above it",
    );
    says(
        &threshold("outside = [1, 2]\nclear = [0, 3]"),
        "f.toml:4:9: detector.t.clear lies on the wrong side of the bound, expected two values between its two",
    );
    says(
        &threshold("above = 90\nfor = 5"),
        "f.toml:4:7: detector.t.for is 5, expected a time with its unit, such as \"5s\" or \"5h\"",
    );
    let n_of_m = "f.toml:4:10: detector.t.n_of_m is not what it should be, expected two whole numbers, such as [3, 5] for 3 of \
                  the last 5 samples, up to 64";
    for wrong in ["[5, 3]", "[0, 3]", "[3]", "[1, 65]", "3", "[1.5, 2]"] {
        says(&threshold(&format!("above = 90\nn_of_m = {wrong}")), n_of_m);
    }
}

#[test]
fn trends_that_cannot_be() {
    let trend = |keys: &str| format!("[detector.t]\nkind = \"trend\"\n{keys}");
    says(
        &trend(""),
        "f.toml:1:1: detector.t has no `reaches`, expected the value that is not to be reached, such as reaches = 95",
    );
    says(
        &trend("reaches = 95\nwithin = \"24h\"\nclear = \"12h\""),
        "f.toml:5:9: detector.t.clear is shorter than `within`, expected a time that is not",
    );
    says(
        &trend("reaches = 95\nover = \"61d\""),
        "f.toml:4:8: detector.t.over is `61d`, expected 1h to 60d",
    );
    says(
        &trend("reaches = 95\nover = \"2h\"\nmin_history = \"3h\""),
        "f.toml:5:15: detector.t.min_history is longer than `over`, expected a time that is not",
    );
    says(
        &trend("reaches = 95\ndirection = \"above\""),
        "f.toml:4:13: detector.t.direction is `above`, expected `up`, `down` or `either`",
    );
    says(
        &trend("reaches = 95\nconfidence = 90"),
        "f.toml:4:14: detector.t.confidence is 90, expected a number from 0.5 to 0.99",
    );
}

#[test]
fn forecasts_that_cannot_be() {
    let forecast = |keys: &str| format!("[detector.f]\nkind = \"forecast\"\n{keys}");
    says(
        &forecast("horizon = \"25h\""),
        "f.toml:3:11: detector.f.horizon is `25h`, expected 1h to 24h",
    );
    says(
        &forecast("horizon = \"90m\""),
        "f.toml:3:11: detector.f.horizon is not a number of whole hours",
    );
    says(
        &forecast("min_history = \"1d\""),
        "f.toml:3:15: detector.f.min_history is `1d`, expected 4d to 42d",
    );
    says(
        &forecast("confidence = 1"),
        "f.toml:3:14: detector.f.confidence is 1, expected a number from 0.5 to 0.999",
    );
}

#[test]
fn absences_that_cannot_be() {
    let absence = |keys: &str| format!("[detector.a]\nkind = \"absence\"\n{keys}");
    says(
        &absence("after = 900"),
        "f.toml:3:9: detector.a.after is 900, expected a time with its unit, such as \"900s\" or \"900h\", or \"auto\"",
    );
    says(
        &absence("after = \"2d\""),
        "f.toml:3:9: detector.a.after is too long: window.expire_after forgets a series before that, \
         expected less than 24h",
    );
    says(
        &absence("after = \"30s\"\nof = [\"a.**\"]"),
        "f.toml:3:9: detector.a.after is too short: expected 2m or more, as it takes a minute to look at all series",
    );
    says(
        &absence("of = [\"a{\"]"),
        "f.toml:3:7: detector.a.of has `a{`, which is no pattern: `{` is opened but not closed",
    );
    says(
        &absence("of = []"),
        "f.toml:3:6: detector.a.of is empty, expected a pattern such as [\"backups.**\"], or no `of`, for the series that a \
         [[watch]] gives it",
    );
    says(
        "[detector.default]\nkind = \"absence\"\nof = [\"a.**\"]",
        "f.toml:3:6: detector.default.of has patterns, but the detector `default` judges series where no other is named: give \
         this one another name",
    );
    let watch = "[[watch]]\nmatch = [\"**\"]\ndetectors = [\"a\"]\n";
    says(
        &(absence("of = [\"a.**\"]\n") + watch),
        "f.toml:6:14: watch.detectors names `a`, which looks at the patterns of its `of` by itself",
    );
    says(
        &(absence("[detector.e]\nkind = \"any_of\"\nof = [\"a\"]\n") + watch),
        "f.toml:5:7: detector.e.of names `a`, which tells of silence, when there is no sample to agree on",
    );
}

#[test]
fn detectors_that_nothing_names_are_odd_and_no_mistake() {
    let warns = |text: &str, expected: &[&str]| {
        let warnings = Checked::parse(Path::new("f.toml"), text).unwrap().warnings;
        let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(said, expected, "{text}");
    };
    let nothing = |line: u32, name: &str| {
        format!(
            "f.toml:{line}:1: nothing names the detector `{name}`: it judges no series until a [[watch]] has it in its `detectors`"
        )
    };
    let watch = |name: &str| format!("[[watch]]\nmatch = [\"**\"]\ndetectors = [\"{name}\"]\n");
    let classic = "[detector.classic]\nkind = \"skyline\"\n";
    warns(&(watch("default") + classic), &[&nothing(4, "classic")]);
    warns(&(watch("classic") + classic), &[]);
    warns(classic, &[]);
    // What another one goes by is named, and what looks at patterns need not be.
    let sure = "[detector.sure]\nkind = \"any_of\"\nof = [\"classic\"]\n";
    warns(&(watch("sure") + classic + sure), &[]);
    warns(&(watch("default") + classic + sure), &[&nothing(6, "sure")]);
    let model = "[detector.own]\nkind = \"expression\"\nwhen = \"detector('classic').score > 2\"\n";
    warns(&(watch("own") + classic + model), &[]);
    warns("[detector.gone]\nkind = \"absence\"\nof = [\"a.**\"]\n", &[]);
    warns(
        "[detector.default]\nkind = \"skyline\"\n[[watch]]\nmatch = [\"**\"]\ndetectors = []",
        &[&nothing(1, "default")],
    );
    warns(EXAMPLE, &[]);
}

#[test]
fn models_that_can_never_hold() {
    let slip = |when: &str, meant: &str, message: &str| {
        let begin = when.find(meant).unwrap();
        let carets = format!("{}{}", " ".repeat(begin), "^".repeat(meant.len()));
        says(
            &format!("[detector.own]\nkind = \"expression\"\nwhen = \"{when}\""),
            &format!(
                "f.toml:3:{}: detector.own.when: {message}\n 3 | when = \"{when}\"\n   |         {carets}",
                9 + begin
            ),
        );
    };
    let hour = "hour() is 0 to 23";
    slip(
        "value > 1 and hour() == 24",
        "hour() == 24",
        &format!("{hour}: this never holds"),
    );
    slip("hour() != 24", "hour() != 24", &format!("{hour}: this always holds"));
    slip("-1 < hour()", "-1 < hour()", &format!("{hour}: this always holds"));
    slip(
        "hour() in 25..30",
        "25",
        &format!("{hour}, expected a range of that, such as 0..24 for all of it"),
    );
    slip("hour() in [8, 24]", "24", &format!("{hour}, and never this"));
    slip(
        "let m = minute(); m == 60",
        "m == 60",
        "minute() is 0 to 59: this never holds",
    );
    slip(
        "weekday() in 0..5",
        "0",
        "weekday() is 1 (Monday) to 7 (Sunday), expected a range of that, such as 1..8 for all of it",
    );
    slip("1 > 2", "1 > 2", "this never holds, whatever comes");
    slip(
        "let a = 3; value > 1 or a in 1..4",
        "a in 1..4",
        "this always holds, whatever comes",
    );
    slip(
        "value / 0 > 1",
        "0",
        "nothing can be divided by 0: what comes of it is never known",
    );
    slip(
        "series('a.*').value > 1",
        "series('a.*').value",
        "`a.*` is a pattern, expected the name of one series",
    );
    slip(
        "series('a b').age > '1m'",
        "series('a b').age",
        "`a b` has a blank, which no series has in its name",
    );
    slip(
        "node(2) == 'web*'",
        "node(2) == 'web*'",
        "`web*` is a pattern, expected a whole node; patterns stand in `match` of a [[watch]]",
    );
    slip(
        "node(2) not in ['a', 'b.c']",
        "node(2) not in ['a', 'b.c']",
        "`b.c` has a dot, which is what parts nodes, and no node is called so",
    );
    slip(
        "'a' == 'b'",
        "'a' == 'b'",
        "these texts are both written down here: their comparison never changes",
    );
    for fine in [
        "hour() in 0..24 and minute() in 0..60 and weekday() in 1..8",
        "hour() >= 0 and hour() < 24 and weekday() <= 7",
        "hour() not in 8..20 or weekday() in [6, 7]",
        "let shift = 8; hour() == shift",
        "node(2) == node(3) or node(2) == ''",
        "true",
        "value / (previous - 3) > 1 or value > 2 * 3",
    ] {
        good(&format!("[detector.own]\nkind = \"expression\"\nwhen = \"{fine}\""));
    }
}

#[test]
fn figures_that_a_detector_never_has() {
    let asks = |figure: &str, detector: &str| {
        format!(
            "[detector.own]\nkind = \"expression\"\nwhen = \"detector('d').{figure} > 1\"\n[detector.d]\n{detector}"
        )
    };
    let full = "kind = \"threshold\"\nabove = 90";
    let model = "kind = \"expression\"\nwhen = \"value > 1\"\nupper = \"1\"";
    for (figure, detector, kind) in [
        ("expected", "kind = \"skyline\"", "skyline"),
        ("lower", "kind = \"any_of\"\nof = [\"default\"]", "ensemble"),
        ("lower", full, "threshold"),
        ("expected", full, "threshold"),
        ("expected", model, "expression"),
    ] {
        let asked = format!("detector('d').{figure}");
        says(
            &asks(figure, detector),
            &format!(
                "f.toml:3:9: detector.own.when asks for `{figure}` of `d`, of kind `{kind}`, which never has any\n 3 | when = \
                 \"{asked} > 1\"\n   |         {}",
                "^".repeat(asked.len())
            ),
        );
    }
    for (figure, detector) in [
        ("score", "kind = \"skyline\""),
        ("upper", full),
        ("upper", model),
        ("expected", "kind = \"adaptive\""),
        ("lower", "kind = \"trend\"\nreaches = 95"),
    ] {
        good(&asks(figure, detector));
    }
}
