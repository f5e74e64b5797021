//! The wire table, as lines.

/// A line over this is more than carbon takes: the newline does not count, a carriage return does.
const LINE_BYTES_MAX: usize = 16_384;

/// What becomes of a line.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    /// Forwarded, and judged.
    Analysed,
    /// Forwarded, not judged for this reason.
    NotAnalysed(&'static str),
    /// Forwarded for carbon to reject itself, not judged for this reason.
    Rejected(&'static str),
    /// Held back for this reason.
    Quarantined(&'static str),
}

/// One line without its newline.
pub(super) struct Row {
    pub(super) line: Vec<u8>,
    pub(super) fate: Fate,
}

/// Every row of the table, in series whose names start with `prefix` and that nobody has used before.
pub(super) fn rows(prefix: &str, now: u64) -> Vec<Row> {
    let mut table = Table {
        prefix,
        now,
        rows: Vec::new(),
    };
    table.shapes();
    table.values();
    table.timestamps();
    table.names();
    table.malformed();
    table.poison();
    // Behind the poison: an innocent line, and those that need an earlier one.
    table.add(Fate::Analysed, "after.poison 1 NOW");
    table.add(Fate::NotAnalysed("duplicate"), "after.poison 2 NOW");
    table.add(Fate::NotAnalysed("late"), &format!("after.poison 3 {}", now - 10));
    table.rows
}

struct Table<'a> {
    prefix: &'a str,
    now: u64,
    rows: Vec<Row>,
}

impl Table<'_> {
    /// `line` in a series of this table; NOW stands for the present second.
    fn add(&mut self, fate: Fate, line: &str) {
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        let (blanks, line) = line.split_at(blanks);
        let line = format!("{blanks}{}.{line}", self.prefix).replace("NOW", &self.now.to_string());
        self.add_as_it_is(fate, line.as_bytes());
    }

    fn add_as_it_is(&mut self, fate: Fate, line: &[u8]) {
        self.rows.push(Row {
            line: line.to_vec(),
            fate,
        });
    }

    fn shapes(&mut self) {
        for line in [
            "shape.plain 12.5 NOW",
            "shape.crlf 12.5 NOW\r",
            "shape.spaces    12.5   NOW",
            "shape.tabs\t12.5\t\tNOW",
            "  \t shape.around 12.5 NOW \t ",
            "shape.vertical-tab\u{b}12.5\u{b}NOW",
            "shape.form-feed\u{c}12.5\u{c}NOW",
            "shape.no-break-space\u{a0}12.5\u{a0}NOW",
            "shape.em-space\u{2003}12.5\u{2003}NOW",
            "shape.file-separator\u{1c}12.5\u{1c}NOW",
            "shape.carriage-return\r12.5\rNOW",
        ] {
            self.add(Fate::Analysed, line);
        }
        let mut longest = format!("{}.shape.longest 12.5 ", self.prefix);
        let timestamp = self.now.to_string();
        longest.push_str(&" ".repeat(LINE_BYTES_MAX - longest.len() - timestamp.len()));
        longest.push_str(&timestamp);
        assert_eq!(longest.len(), LINE_BYTES_MAX);
        self.add_as_it_is(Fate::Analysed, longest.as_bytes());
    }

    fn values(&mut self) {
        let numbers = [
            "1e3",
            "1E-3",
            "+5",
            "-5",
            ".5",
            "5.",
            "1_000",
            "-0.0",
            "007",
            "123456789012345678901234567890",
            "1e-400",
        ];
        for (index, value) in numbers.into_iter().enumerate() {
            self.add(Fate::Analysed, &format!("value.number{index} {value} NOW"));
        }
        for (index, value) in ["nan", "NaN", "NAN", "-nan", "+nan"].into_iter().enumerate() {
            self.add(Fate::NotAnalysed("nan"), &format!("value.nan{index} {value} NOW"));
        }
        for (index, value) in ["inf", "-inf", "Infinity", "-INFINITY", "1e400", "-1e999"]
            .into_iter()
            .enumerate()
        {
            self.add(
                Fate::NotAnalysed("infinite"),
                &format!("value.infinite{index} {value} NOW"),
            );
        }
    }

    fn timestamps(&mut self) {
        self.add(Fate::Analysed, "timestamp.now 1 -1");
        self.add(Fate::Analysed, "timestamp.now-too 1 -1.0");
        self.add(Fate::Analysed, "timestamp.fraction 1 NOW.75");
        self.add(Fate::Analysed, &format!("timestamp.scientific 1 {:e}", self.now));
        self.add(Fate::NotAnalysed("too_old"), "timestamp.zero 1 0");
        self.add(Fate::NotAnalysed("too_old"), "timestamp.before-1970 1 -500");
        self.add(Fate::NotAnalysed("too_far_ahead"), "timestamp.year-9999 1 253402300799");
        self.add(Fate::NotAnalysed("too_far_ahead"), "timestamp.milliseconds 1 NOW000");
    }

    fn names(&mut self) {
        for line in [
            "name.tags;host=web1;zone=b 1 NOW",
            "name.tag-without-value;host 1 NOW",
            "name.\u{fc}n\u{ef}c\u{f6}d\u{e9}.\u{6e29}\u{5ea6} 1 NOW",
            "name..two..dots 1 NOW",
            "name.dot-at-end. 1 NOW",
            "name.a/b 1 NOW",
            "name.odd!\"#$%&'()*+,:<=>?@[\\]^`{|}~ 1 NOW",
            "name.control\u{1}\u{7f} 1 NOW",
            "name.nul\0 1 NOW",
        ] {
            self.add(Fate::Analysed, line);
        }
        self.add_as_it_is(
            Fate::Analysed,
            format!(".{}.name.dot-at-start 1 {}", self.prefix, self.now).as_bytes(),
        );
        self.add_as_it_is(
            Fate::Analysed,
            format!(";{}=nothing-but-a-tag 1 {}", self.prefix, self.now).as_bytes(),
        );
    }

    fn malformed(&mut self) {
        for line in [
            "fields.one",
            "fields.two 1",
            "fields.four 1 NOW 4",
            "fields.name with blank 1 NOW",
        ] {
            self.add(Fate::Rejected("fields"), line);
        }
        for (index, value) in ["0x10", "1,5", "many", "1__000", "_1", "1_", "--1", "1e", "."]
            .into_iter()
            .enumerate()
        {
            self.add(
                Fate::Rejected("value"),
                &format!("value.not-a-number{index} {value} NOW"),
            );
        }
        for (index, timestamp) in ["noon", "0x10", "2024-01-01T00:00:00Z"].into_iter().enumerate() {
            self.add(
                Fate::Rejected("timestamp"),
                &format!("timestamp.not-a-number{index} 1 {timestamp}"),
            );
        }
        for line in ["", "\r", "   ", "\t \u{b}"] {
            self.add_as_it_is(Fate::Rejected("empty"), line.as_bytes());
        }
    }

    fn poison(&mut self) {
        let not_utf8 = [
            &b"poison.caf\xe9 1 1700000000"[..],
            b"\xff\xfe",
            b"poison.overlong\xc0\xaf 1 1700000000",
        ];
        for line in not_utf8 {
            self.add_as_it_is(Fate::Quarantined("not_utf8"), line);
        }
        let mut too_long = format!("{}.poison.long 1 {}", self.prefix, self.now).into_bytes();
        too_long.resize(LINE_BYTES_MAX, b' ');
        self.add_as_it_is(Fate::Quarantined("too_long"), &[&too_long[..], b"\r"].concat());
        too_long.push(b' ');
        self.add_as_it_is(Fate::Quarantined("too_long"), &too_long);
        too_long.resize(20_000, b'x'); // all of them in one datagram still fit
        self.add_as_it_is(Fate::Quarantined("too_long"), &too_long);
        for timestamp in ["nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e999"] {
            self.add(
                Fate::Quarantined("timestamp_not_finite"),
                &format!("poison.timestamp 1 {timestamp}"),
            );
        }
    }
}
