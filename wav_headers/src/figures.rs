//! `Figures`: how many samples there are, and how loud they are.

/// What is compared: it does not depend on how samples are dealt to channels.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) samples: u64,
    peak_dbfs: f64,
    rms_dbfs: f64,
}

impl Figures {
    /// Those in the last line of `wav_meter`.
    pub(crate) fn of_line(line: &str) -> Option<Figures> {
        let field = |name: &str| {
            let mut fields = line.strip_prefix("wav: ")?.split_whitespace();
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let channels: u64 = field("channels")?.parse().ok()?;
        let frames: u64 = field("frames")?.parse().ok()?;
        Some(Figures {
            samples: channels * frames,
            peak_dbfs: field("peak_dbfs")?.parse().ok()?,
            rms_dbfs: field("rms_dbfs")?.parse().ok()?,
        })
    }

    /// Those of raw samples: 32-bit floats, little-endian.
    pub(crate) fn of_raw(bytes: &[u8]) -> Figures {
        let (mut peak, mut squares, mut samples) = (0.0_f64, 0.0_f64, 0_u64);
        for sample in bytes.chunks_exact(4) {
            let mut array = [0; 4];
            array.copy_from_slice(sample);
            let sample = f64::from(f32::from_le_bytes(array));
            peak = peak.max(sample.abs());
            squares += sample * sample;
            samples += 1;
        }
        Figures {
            samples,
            peak_dbfs: 20.0 * peak.log10(),
            rms_dbfs: 10.0 * (squares / samples.max(1) as f64).log10(),
        }
    }

    /// Whether they are the same, up to what the last line of `wav_meter` rounds.
    pub(crate) fn is(&self, other: &Figures) -> bool {
        let same = |a: f64, b: f64| a == b || (a - b).abs() < 0.0101;
        self.samples == other.samples
            && same(self.peak_dbfs, other.peak_dbfs)
            && same(self.rms_dbfs, other.rms_dbfs)
    }
}
