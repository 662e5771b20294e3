//! Every sampler's bias on exact laws, and the order at which it falls: the table of docs/samplers.md.

#[path = "samplers/table.rs"]
mod table;

use table::{Parts, lines, slope};

fn main() {
    println!(
        "Error on VP from t = 0 to {}, the exact denoiser. Deterministic samplers: rms over quantiles. Stochastic ones: of the standard\n\
         deviation, relative. Slope: over four grids on which the leading term leads.\n",
        table::END
    );
    for (title, parts) in [
        ("N(0, ½²)", Parts::gaussian()),
        ("two Gaussians", Parts::mixture()),
    ] {
        println!("| {title} | order | N = 10 | 20 | 40 | 80 | slope |");
        println!("|---|---|---|---|---|---|---|");
        // A stochastic sampler is not linear on a mixture: tests hold it against the law by drawing from it.
        let linear = parts.0.len() == 1;
        for line in lines().iter().filter(|l| linear || !l.is_stochastic) {
            let cells = [10, 20, 40, 80].map(|n| format!("{:.1e}", line.error(&parts, n)));
            let fine = line.fine_grids();
            let slope = slope(&fine, &fine.map(|n| line.error(&parts, n)));
            let (name, order) = (line.name, line.order);
            println!("| {name} | {order} | {} | {slope:.2} |", cells.join(" | "));
        }
        println!();
    }
}
