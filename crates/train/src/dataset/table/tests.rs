use super::*;
use crate::dataset::{DataSource, Dataset, DatasetError};
use pyroclast_core::noise::{Noise, Stream};
use std::fmt::Write;
use std::path::Path;

fn parse(text: &str) -> Result<Dataset, DatasetError> {
    parse_as(text, &DataSource::default())
}

fn parse_as(text: &str, source: &DataSource) -> Result<Dataset, DatasetError> {
    read(text.as_bytes(), Path::new("x.csv"), "x", source)
}

fn values(text: &str) -> Vec<f64> {
    parse(text).expect(text).reals().into_owned()
}

fn table(data: &Dataset) -> &Table {
    data.table.as_deref().expect("it is from a table")
}

fn kinds(kinds: &[(&str, ColumnKind)]) -> DataSource {
    let kinds = kinds.iter().map(|&(name, kind)| (name.to_owned(), kind));
    DataSource {
        columns: ColumnKinds(kinds.collect()),
        ..DataSource::default()
    }
}

/// The text of a table of 8 columns of every kind.
fn visits(n: usize) -> String {
    let mut text = "when,member,visits,income,city,height,school,shop\n".to_owned();
    let mut draws = Noise::new(8).draws(Stream::Data, 0);
    let cities = ["Berlin", "\"Paris, Texas\"", "São Paulo"];
    for i in 0..n {
        let mut normal = || draws.normal();
        let when = 1.7e9 + 5.0 * normal();
        let member = u8::from(normal() > 1.0);
        let visits = (2.0 + normal().abs() * 3.0).round();
        let income = 31_000.0 * (1.3 * normal()).exp();
        let city = cities[i * i % 7 % 3];
        let height = 1.7 + 0.1 * normal();
        let school = ["a", "b"][i % 2];
        writeln!(
            text,
            "{when},{member},{visits},{income:.2},{city},{height:.3},{school},north"
        )
        .expect("memory takes all text");
    }
    text
}

/// The cells of a text without quoted line ends.
fn cells(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.expect("a whole row"));
    rows.map(|row| row.iter().map(str::to_owned).collect())
        .collect()
}

/// The table that the samples of a model would give if the model gave the data.
fn there_and_back(data: &Dataset) -> String {
    let scaling = data.scaling();
    let scaled = data.clone().scaled(&scaling);
    let back = scaling.to_data(&scaled.values()).expect("data is small");
    table(data).heading(data.labels().is_some())
        + &table(data).lines(&back, data.labels(), &data.class_names)
}

#[test]
fn every_kind_of_column_goes_through_the_model_and_back() {
    let text = visits(400);
    let source = DataSource {
        label: "school".to_owned(),
        ..DataSource::default()
    };
    let data = parse_as(&text, &source).expect("a table");
    assert_eq!(data.class_names, ["a", "b"]);
    // when, member, visits, income, three cities, height, shop.
    assert_eq!(data.dim(), 9);
    let shown = table(&data).to_string();
    for (line, part) in shown.lines().zip([
        "when: continuous",
        "member: integer, whole numbers from 0 to 1",
        "visits: integer, whole numbers from 2 to ",
        "income: heavy-tailed, ln(1 + |x|/",
        "city: 3 categories: Berlin, Paris, Texas, São Paulo",
        "height: continuous",
        "shop: always north",
    ]) {
        assert!(line.starts_with(part), "{line}");
    }
    let (before, after) = (cells(&text), cells(&there_and_back(&data)));
    assert_eq!(before[0], after[0]);
    assert_eq!(before.len(), after.len());
    let number = |cell: &String| cell.parse::<f64>().expect("a number");
    for (before, after) in before.iter().zip(&after).skip(1) {
        for column in [1, 2, 4, 6, 7] {
            assert_eq!(before[column], after[column]);
        }
        for (column, tolerance) in [(0, 5e-6), (3, 1e-5 * number(&before[3])), (5, 1e-7)] {
            let (x, y) = (number(&before[column]), number(&after[column]));
            assert!((x - y).abs() <= tolerance, "column {column}: {x} {y}");
        }
    }
    // Time stamps keep their spread on the model's scale.
    let scaled = data.clone().scaled(&data.scaling());
    let mut stamps: Vec<f32> = scaled.values().iter().step_by(9).copied().collect();
    stamps.sort_by(f32::total_cmp);
    stamps.dedup();
    assert!(stamps.len() > 390, "{}", stamps.len());
}

#[test]
fn a_table_survives_json() {
    let data = parse(&visits(50)).expect("a table");
    let json = serde_json::to_string(table(&data)).expect("plain values serialise");
    let back: Table = serde_json::from_str(&json).expect("as written");
    assert_eq!(&back, table(&data));
    assert!(back.fits(data.dim()) && !back.fits(data.dim() + 1));
}

#[test]
fn kinds_can_be_given() {
    let text = "id,size,zip\n7,1,10115\n8,2,20095\n9,4,10115\n";
    let source = kinds(&[
        ("id", ColumnKind::Drop),
        ("size", ColumnKind::HeavyTailed),
        ("zip", ColumnKind::Category),
    ]);
    let data = parse_as(text, &source).expect("a table");
    assert_eq!(data.columns, ["size", "zip=10115", "zip=20095"]);
    assert_eq!(data.scaling().logarithms.len(), 1);
    assert_eq!(
        there_and_back(&data),
        "size,zip\n1,10115\n2,20095\n4,10115\n"
    );
    let error = parse_as(text, &kinds(&[("Size", ColumnKind::Drop)])).expect_err("no such column");
    assert_eq!(
        error.to_string(),
        "x.csv has no column `Size`; it has id, size, zip"
    );
}

#[test]
fn words_are_columns_of_zeros_and_ones() {
    let data = parse("5.1,setosa\n7.0,versicolor\n4.9,setosa\n").expect("no header");
    assert_eq!(data.columns, ["x0", "x1=setosa", "x1=versicolor"]);
    assert_eq!(data.row(1).as_ref(), [7.0, 0.0, 1.0]);
    let scaled = data.clone().scaled(&data.scaling());
    assert_eq!(scaled.row(1)[1..], [-1.0, 1.0]);
    assert_eq!(
        there_and_back(&parse("a,b\ncat,dog\ncow,dog\n").expect("words")),
        "a,b\ncat,dog\ncow,dog\n"
    );
}

#[test]
fn a_header_is_optional() {
    let expected = [1.0, 2.0, 3.0, 4.0];
    for text in [
        "1,2\n3,4\n",
        "x,y\n1,2\n3,4\n",
        "# x,y\n1,2\n3,4",
        "\"x\",\"y, in cm\"\n1,2\n3,4",
        "\u{feff}x,y\n1,2\n3,4",
        "\u{feff}1,2\n3,4",
        "1,2\r\n3,4\r\n",
        " 1 ,\t2\n\n\n3,  4\n  \n",
        "+1.0,2e0\n0.3E1,\"4\"\n",
        "1;2\n3;4\n",
        "1\t2\n3\t4\n",
        "x|y\n1|2\n3|4\n",
    ] {
        assert_eq!(values(text), expected, "{text:?}");
    }
}

#[test]
fn tables_as_data_frames_write_them_are_understood() {
    let expected = [1.5, 2.5, 3.5, 4.5];
    for text in [
        ",x,y\n0,1.5,2.5\n1,3.5,4.5\n",
        "Unnamed: 0,x,y\n1,1.5,2.5\n2,3.5,4.5\n",
        ",0,1\n0,1.5,2.5\n1,3.5,4.5\n",
        "0,1\n1.5,2.5\n3.5,4.5\n",
    ] {
        assert_eq!(values(text), expected, "{text:?}");
    }
    let data = parse(",x,y\n0,1.5,2.5\n1,3.5,4.5\n").expect("an index");
    assert!(table(&data).notes[0].contains("counts the rows"));
    assert_eq!(there_and_back(&data), "x,y\n1.5,2.5\n3.5,4.5\n");
    // Whole numbers may as well be data, unless there are many columns.
    assert_eq!(values("0,1\n2,3\n"), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(parse("0,1,2,3\n5,6,7,8\n9,6,5,4\n").expect("four").len(), 2);
    // A first column without a name that does not count is data.
    assert_eq!(values(",x\n3,1\n2,5\n"), [3.0, 1.0, 2.0, 5.0]);
}

#[test]
fn decimal_commas_are_read_and_written() {
    let text = "x;y\n1,5;2\n-0,25;3\n";
    let data = parse(text).expect("decimal commas");
    assert_eq!(data.reals().as_ref(), [1.5, 2.0, -0.25, 3.0]);
    assert_eq!(there_and_back(&data), text);
    assert!(table(&data).to_string().contains("decimals follow a `,`"));
    let source = |separator: &str, decimal: &str| DataSource {
        separator: separator.to_owned(),
        decimal: decimal.to_owned(),
        ..DataSource::default()
    };
    let error = parse_as(text, &source("auto", ".")).expect_err("a comma is no point");
    assert!(error.to_string().contains("`1,5`, which is not a number"));
    let quoted = "x,y\n\"1,5\",2\n\"2,5\",3\n";
    let data = parse_as(quoted, &source(",", ",")).expect("quoted");
    assert_eq!(there_and_back(&data), quoted);
    let data = parse_as("1|2;3\n4|5;6\n", &source("|", "auto")).expect("two columns");
    assert_eq!(data.columns, ["x0", "x1=2;3", "x1=5;6"]);
}

#[test]
fn missing_values_are_refused_dropped_or_filled() {
    let text = "x,city,n\n1.5,Rome,1\n,Oslo,2\n3.5,,3\n2.5,Rome,NA\n4.5,Oslo,7\n";
    let source = |missing| DataSource {
        missing,
        ..DataSource::default()
    };
    let error = parse(text).expect_err("an empty cell").to_string();
    assert!(
        error.starts_with("x.csv:3: row 2, column 1 is empty"),
        "{error}"
    );

    let data = parse_as(text, &source(Missing::Drop)).expect("two whole rows");
    assert_eq!(data.len(), 2);
    assert_eq!(
        table(&data).notes,
        ["3 of 5 rows have a missing value, and are left out"]
    );

    let data = parse_as(text, &source(Missing::Mean)).expect("filled");
    assert_eq!(
        data.columns,
        [
            "x",
            "x is empty",
            "city=",
            "city=Oslo",
            "city=Rome",
            "n",
            "n is empty"
        ]
    );
    assert_eq!(data.row(1).as_ref(), [3.0, 1.0, 0.0, 1.0, 0.0, 2.0, 0.0]);
    assert_eq!(there_and_back(&data), text.replace("NA", ""));
}

#[test]
fn a_named_column_holds_labels_wherever_it_stands() {
    for text in [
        "x,label,y\n1,0,2\n3,2,4\n5,1,6\n",
        "Class,x,y\n0,1,2\n2,3,4\n1,5,6\n",
        "x,y, LABEL \n1,2,0.0\n3,4,2.0\n5,6,1.0\n",
        "label,0,1\n0,1,2\n2,3,4\n1,5,6\n",
        "# label,x,y\n0,1,2\n2,3,4\n1,5,6\n",
    ] {
        let data = parse(text).expect(text);
        assert_eq!(
            data.reals().as_ref(),
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "{text:?}"
        );
        assert_eq!(data.labels(), Some([0, 2, 1].as_slice()));
        assert_eq!((data.classes(), &data.shape[..]), (3, &[2][..]));
    }
}

#[test]
fn labels_are_whole_numbers_or_words_and_come_back_in_their_place() {
    let text = "x,species,y\n1,dog,2\n3,cat,4\n5,dog,6\n";
    let source = |label: &str| DataSource {
        label: label.to_owned(),
        ..DataSource::default()
    };
    let data = parse_as(text, &source("species")).expect("words");
    assert_eq!(data.labels(), Some([1, 0, 1].as_slice()));
    assert_eq!(data.class_names, ["cat", "dog"]);
    assert_eq!(data.dim(), 2);
    assert_eq!(there_and_back(&data), text);
    let data = parse("x,label\n1.5,10\n2.5,-1\n3.5,9\n").expect("gaps");
    assert_eq!(data.class_names, ["-1", "9", "10"]);
    assert_eq!(data.labels(), Some([2, 0, 1].as_slice()));
    let error = parse_as(text, &source("kind")).expect_err("no such column");
    assert_eq!(
        error.to_string(),
        "x.csv has no column `kind`; it has x, species, y"
    );
}

#[test]
fn without_a_header_every_column_is_data() {
    let data = parse("1,2,0\n3,4,1\n").expect("a plain table");
    assert_eq!((data.dim(), data.labels(), data.classes()), (3, None, 0));
    assert!(data.columns.is_empty());
}

#[test]
fn numbers_round_trip_through_text() {
    let numbers = Noise::new(6).draws(Stream::Data, 0).normals(3 * 500);
    let mut text = String::new();
    for row in numbers.chunks_exact(3) {
        writeln!(text, "{},{:e},{}", row[0], row[1], row[2]).expect("memory takes all text");
    }
    let data = parse(&text).expect("numbers");
    assert_eq!(data.values().as_ref(), numbers);
}

#[test]
fn every_broken_table_is_refused_with_the_line_and_a_remedy() {
    let number = "which is not a number; write numbers like -1.5e3";
    let finite = "which is not a finite 32-bit number; replace it or remove the row";
    let label = "give every row a whole number or a word";
    let columns = "give every row the same columns";
    let long = format!("1\n{}\n", "y".repeat(100));
    let words: String = (0..300).map(|i| format!("{i}.5,word{i}\n")).collect();
    for (text, expected) in [
        (
            "\n\n",
            "x.csv is empty; write one sample per row, its numbers separated by commas".into(),
        ),
        (
            "1,2\n",
            "x.csv has 1 row(s) of data; give at least 2".into(),
        ),
        (
            "x,y\n",
            "x.csv has 0 row(s) of data; give at least 2".into(),
        ),
        (
            "label\n0\n1\n",
            "x.csv has 0 columns of data; give each sample at least one number".into(),
        ),
        (
            "1,2\n3,4\n5,6,7\n",
            format!("x.csv:3: row 3 has 3 columns, but the first has 2; {columns}"),
        ),
        (
            "x,y\n\n1,2\n\n\n3\n",
            format!("x.csv:6: row 2 has 1 columns, but the header has 2; {columns}"),
        ),
        (
            "x,y\r\n\r\n1,2\r\n\r\n3\r\n",
            format!("x.csv:5: row 2 has 1 columns, but the header has 2; {columns}"),
        ),
        (
            "1,2\n3,four\n",
            format!("x.csv:2: row 2, column 2 is `four`, {number}"),
        ),
        (
            "1,two\n3,4\n",
            format!("x.csv:1: row 1, column 2 is `two`, {number}"),
        ),
        (
            "1\n\"2\n3\n4\n",
            format!("x.csv:2: row 2, column 1 is `2…`, {number}"),
        ),
        (
            "1\na\tb\n",
            format!("x.csv:2: row 2, column 1 is `a\\tb`, {number}"),
        ),
        (
            &long,
            format!(
                "x.csv:2: row 2, column 1 is `{}…`, {number}",
                "y".repeat(32)
            ),
        ),
        (
            "1,2\n3,\n",
            "x.csv:2: row 2, column 2 is empty; fill it in, or choose what to do about all such \
             cells by data.missing = drop or mean"
                .into(),
        ),
        (
            "x,y\n1,2\nNaN,4\n",
            format!("x.csv:3: row 2, column 1 is NaN, {finite}"),
        ),
        (
            "1,2\n3,-inf\n",
            format!("x.csv:2: row 2, column 2 is -inf, {finite}"),
        ),
        (
            "nan,nan\n3,4\n",
            format!("x.csv:1: row 1, column 1 is nan, {finite}"),
        ),
        (
            "1,2\n1e39,4\n",
            format!("x.csv:2: row 2, column 1 is 1e39, {finite}"),
        ),
        (
            "label,x,class\n0,1,0\n1,2,1\n",
            "x.csv has label columns 1 and 3; rename one of them".into(),
        ),
        (
            "x,label\n1,0\n2,\n",
            format!("x.csv:3: row 2 has label `…`; {label}"),
        ),
        (
            "x,label\n1,0\n2,0.5\n",
            format!("x.csv:3: row 2 has label `0.5`; {label}"),
        ),
        (
            "x,label\n1,0\n2,NaN\n",
            format!("x.csv:3: row 2 has label `NaN`; {label}"),
        ),
        (
            &words,
            "column `x1` of x.csv has 300 different words, and at most 256 can be learned; leave \
             it out by data.columns"
                .into(),
        ),
        (
            "x\n4000000000000000\n4000000000000001\n",
            "column `x` of x.csv varies by 0.5 about 4000000000000000.5, which double precision \
             cannot resolve; subtract 4000000000000000 from it, and add it to the samples"
                .into(),
        ),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert_eq!(error, expected, "{text:?}");
        assert!(!error.contains('\n'));
    }
}

#[test]
fn text_that_is_not_unicode_is_no_number() {
    let source = DataSource::default();
    let error = read(b"1\n\xff\xfe\n", Path::new("x.csv"), "x", &source).expect_err("odd bytes");
    assert!(
        error
            .to_string()
            .starts_with("x.csv:2: row 2, column 1 is `\u{fffd}\u{fffd}`")
    );
}
