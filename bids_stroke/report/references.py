"""The works that methods cite, by key: one line each, and how they are written in a list and in BibTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Reference:
    """A published work."""

    authors: str
    """Family names, the first ones; ``and others`` in the end stands for the rest."""
    year: int
    title: str
    where: str
    """``Journal volume:pages``, or in words."""
    doi: str = ""

    def in_words(self) -> str:
        """As a line of a list of references."""
        doi = f" https://doi.org/{self.doi}" if self.doi else ""
        return f"{self.authors.replace('and others', 'et al')} ({self.year}). {self.title}. {self.where}.{doi}"

    def bibtex(self, key: str) -> str:
        """As an entry of BibTeX."""
        found = re.fullmatch(r"(.+) (\d+):(\S+)", self.where)
        place = {"howpublished": self.where}
        if found:
            place = {"journal": found[1], "volume": found[2], "pages": found[3].replace("-", "--")}
        authors = re.sub(r",? and others$", " and others", self.authors).replace(", ", " and ")
        fields = {"author": authors, "title": f"{{{self.title}}}", "year": str(self.year), **place, "doi": self.doi}
        lines = [f"  {name} = {{{value}}},".replace("&", r"\&") for name, value in fields.items() if value]
        return "\n".join([f"@{'article' if found else 'misc'}{{{key},", *lines, "}"])


REFERENCES: Mapping[str, Reference] = MappingProxyType({
    # T1w, registration
    "tustison2010": Reference(
        "Tustison and others", 2010, "N4ITK: improved N3 bias correction",
        "IEEE Transactions on Medical Imaging 29:1310-1320", "10.1109/TMI.2010.2046908",
    ),
    "fisch2024": Reference(
        "Fisch and others", 2024,
        "deepbet: Fast brain extraction of T1-weighted MRI using convolutional neural networks",
        "Computers in Biology and Medicine 179:108845",
    ),
    "ashburner2005": Reference(
        "Ashburner, Friston", 2005, "Unified segmentation",
        "NeuroImage 26:839-851", "10.1016/j.neuroimage.2005.02.018",
    ),
    "zhang2001": Reference(
        "Zhang, Brady, Smith", 2001,
        "Segmentation of brain MR images through a hidden Markov random field model and the expectation-"
        "maximization algorithm",
        "IEEE Transactions on Medical Imaging 20:45-57", "10.1109/42.906424",
    ),
    "nachev2008": Reference(
        "Nachev and others", 2008, "Enantiomorphic normalization of focally lesioned brains",
        "NeuroImage 39:1215-1226", "10.1016/j.neuroimage.2007.10.002",
    ),
    "yushkevich2016": Reference(
        "Yushkevich and others", 2016,
        "Fast automatic segmentation of hippocampal subfields and medial temporal lobe subregions in 3 Tesla "
        "and 7 Tesla T2-weighted MRI",
        "Alzheimer's & Dementia 12:P126-P127",
    ),
    "lowekamp2013": Reference(
        "Lowekamp, Chen, Ibanez, Blezek", 2013, "The design of SimpleITK",
        "Frontiers in Neuroinformatics 7:45", "10.3389/fninf.2013.00045",
    ),
    "fonov2011": Reference(
        "Fonov and others", 2011, "Unbiased average age-appropriate atlases for pediatric studies",
        "NeuroImage 54:313-327", "10.1016/j.neuroimage.2010.07.033",
    ),
    # diffusion
    "veraart2016": Reference(
        "Veraart and others", 2016, "Denoising of diffusion MRI using random matrix theory",
        "NeuroImage 142:394-406", "10.1016/j.neuroimage.2016.08.016",
    ),
    "kellner2016": Reference(
        "Kellner, Dhital, Kiselev, Reisert", 2016, "Gibbs-ringing artifact removal based on local subvoxel-shifts",
        "Magnetic Resonance in Medicine 76:1574-1581", "10.1002/mrm.26054",
    ),
    "andersson2015": Reference(
        "Andersson, Sotiropoulos", 2015,
        "Non-parametric representation and prediction of single- and multi-shell diffusion-weighted MRI data "
        "using Gaussian processes",
        "NeuroImage 122:166-176", "10.1016/j.neuroimage.2015.07.067",
    ),
    "andersson2016": Reference(
        "Andersson, Sotiropoulos", 2016,
        "An integrated approach to correction for off-resonance effects and subject movement in diffusion MR "
        "imaging",
        "NeuroImage 125:1063-1078", "10.1016/j.neuroimage.2015.10.019",
    ),
    "andersson2016outliers": Reference(
        "Andersson, Graham, Zsoldos, Sotiropoulos", 2016,
        "Incorporating outlier detection and replacement into a non-parametric framework for movement and "
        "distortion correction of diffusion MR images",
        "NeuroImage 141:556-572", "10.1016/j.neuroimage.2016.06.058",
    ),
    "andersson2003": Reference(
        "Andersson, Skare, Ashburner", 2003,
        "How to correct susceptibility distortions in spin-echo echo-planar images: application to diffusion "
        "tensor imaging",
        "NeuroImage 20:870-888", "10.1016/S1053-8119(03)00336-7",
    ),
    "leemans2009": Reference(
        "Leemans, Jones", 2009, "The B-matrix must be rotated when correcting for subject motion in DTI data",
        "Magnetic Resonance in Medicine 61:1336-1349", "10.1002/mrm.21890",
    ),
    "basser1996": Reference(
        "Basser, Pierpaoli", 1996,
        "Microstructural and physiological features of tissues elucidated by quantitative-diffusion-tensor "
        "MRI",
        "Journal of Magnetic Resonance B 111:209-219", "10.1006/jmrb.1996.0086",
    ),
    "garyfallidis2014": Reference(
        "Garyfallidis and others", 2014, "Dipy, a library for the analysis of diffusion MRI data",
        "Frontiers in Neuroinformatics 8:8", "10.3389/fninf.2014.00008",
    ),
    "chang2005": Reference(
        "Chang, Jones, Pierpaoli", 2005, "RESTORE: robust estimation of tensors by outlier rejection",
        "Magnetic Resonance in Medicine 53:1088-1095", "10.1002/mrm.20426",
    ),
    # BOLD
    "baker2004": Reference(
        "Baker, Matthews", 2004, "Lucas-Kanade 20 years on: a unifying framework",
        "International Journal of Computer Vision 56:221-255", "10.1023/B:VISI.0000011205.11775.fd",
    ),
    "power2012": Reference(
        "Power, Barnes, Snyder, Schlaggar, Petersen", 2012,
        "Spurious but systematic correlations in functional connectivity MRI networks arise from subject "
        "motion",
        "NeuroImage 59:2142-2154", "10.1016/j.neuroimage.2011.10.018",
    ),
    "lindquist2019": Reference(
        "Lindquist, Geuter, Wager, Caffo", 2019,
        "Modular preprocessing pipelines can reintroduce artifacts into fMRI data",
        "Human Brain Mapping 40:2358-2376", "10.1002/hbm.24528",
    ),
    "zang2007": Reference(
        "Zang and others", 2007,
        "Altered baseline brain activity in children with ADHD revealed by resting-state functional MRI",
        "Brain and Development 29:83-91", "10.1016/j.braindev.2006.07.002",
    ),
    "zou2008": Reference(
        "Zou and others", 2008,
        "An improved approach to detection of amplitude of low-frequency fluctuation (ALFF) for resting-state "
        "fMRI: fractional ALFF",
        "Journal of Neuroscience Methods 172:137-141", "10.1016/j.jneumeth.2008.04.012",
    ),
    "zang2004": Reference(
        "Zang, Jiang, Lu, He, Tian", 2004, "Regional homogeneity approach to fMRI data analysis",
        "NeuroImage 22:394-400", "10.1016/j.neuroimage.2003.12.030",
    ),
    "biswal1995": Reference(
        "Biswal, Yetkin, Haughton, Hyde", 1995,
        "Functional connectivity in the motor cortex of resting human brain using echo-planar MRI",
        "Magnetic Resonance in Medicine 34:537-541", "10.1002/mrm.1910340409",
    ),
    "abraham2014": Reference(
        "Abraham and others", 2014, "Machine learning for neuroimaging with scikit-learn",
        "Frontiers in Neuroinformatics 8:14", "10.3389/fninf.2014.00014",
    ),
    # EEG and EMG
    "gramfort2013": Reference(
        "Gramfort and others", 2013, "MEG and EEG data analysis with MNE-Python",
        "Frontiers in Neuroscience 7:267", "10.3389/fnins.2013.00267",
    ),
    "appelhoff2019": Reference(
        "Appelhoff and others", 2019,
        "MNE-BIDS: Organizing electrophysiological data into the BIDS format and facilitating their analysis",
        "Journal of Open Source Software 4:1896", "10.21105/joss.01896",
    ),
    "ablin2018": Reference(
        "Ablin, Cardoso, Gramfort", 2018,
        "Faster independent component analysis by preconditioning with Hessian approximations",
        "IEEE Transactions on Signal Processing 66:4040-4049", "10.1109/TSP.2018.2844203",
    ),
    "gratton1983": Reference(
        "Gratton, Coles, Donchin", 1983, "A new method for off-line removal of ocular artifact",
        "Electroencephalography and Clinical Neurophysiology 55:468-484", "10.1016/0013-4694(83)90135-9",
    ),
    "halliday1995": Reference(
        "Halliday and others", 1995,
        "A framework for the analysis of mixed time series/point process data: theory and application to the "
        "study of physiological tremor, single motor unit discharges and electromyograms",
        "Progress in Biophysics and Molecular Biology 64:237-278",
    ),
    "falconer1985": Reference(
        "Falconer, Winter", 1985, "Quantitative assessment of co-contraction at the ankle joint in walking",
        "Electromyography and Clinical Neurophysiology 25:135-149",
    ),
    "mima2001": Reference(
        "Mima, Toma, Koshy, Hallett", 2001,
        "Coherence between cortical and muscular activities after subcortical stroke",
        "Stroke 32:2597-2601",
    ),
    # biomarkers
    "zhu2010": Reference(
        "Zhu, Lindenberg, Alexander, Schlaug", 2010,
        "Lesion load of the corticospinal tract predicts motor impairment in chronic stroke",
        "Stroke 41:910-915",
    ),
    "stinear2007": Reference(
        "Stinear and others", 2007,
        "Functional potential in chronic stroke patients depends on corticospinal tract integrity",
        "Brain 130:170-180",
    ),
    "carter2010": Reference(
        "Carter and others", 2010,
        "Resting interhemispheric functional magnetic resonance imaging connectivity predicts performance "
        "after stroke",
        "Annals of Neurology 67:365-375",
    ),
    "finnigan2016": Reference(
        "Finnigan, Wong, Read", 2016,
        "Defining abnormal slow EEG activity in acute ischaemic stroke: Delta/alpha ratio as an optimal QEEG "
        "index",
        "Clinical Neurophysiology 127:1452-1459",
    ),
    # networks
    "miccai2025": Reference(
        "", 2025, "Attention-Based Multimodal Deep Learning Model for Post-Stroke Motor Impairment Prediction",
        "MICCAI 2025",
    ),
    "woo2018": Reference(
        "Woo, Park, Lee, Kweon", 2018, "CBAM: Convolutional block attention module",
        "European Conference on Computer Vision (ECCV) 2018", "10.1007/978-3-030-01234-2_1",
    ),
    "hochreiter1997": Reference(
        "Hochreiter, Schmidhuber", 1997, "Long short-term memory",
        "Neural Computation 9:1735-1780", "10.1162/neco.1997.9.8.1735",
    ),
    "selvaraju2017": Reference(
        "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra", 2017,
        "Grad-CAM: visual explanations from deep networks via gradient-based localization",
        "IEEE International Conference on Computer Vision, 618-626", "10.1109/ICCV.2017.74",
    ),
    "sundararajan2017": Reference(
        "Sundararajan, Taly, Yan", 2017, "Axiomatic attribution for deep networks",
        "International Conference on Machine Learning, PMLR 70:3319-3328",
    ),
    "adebayo2018": Reference(
        "Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim", 2018, "Sanity checks for saliency maps",
        "Advances in Neural Information Processing Systems 31",
    ),
    "bai2018": Reference(
        "Bai, Kolter, Koltun", 2018,
        "An empirical evaluation of generic convolutional and recurrent networks for sequence modeling",
        "arXiv:1803.01271",
    ),
    "friedman2001": Reference(
        "Friedman", 2001, "Greedy function approximation: a gradient boosting machine",
        "The Annals of Statistics 29:1189-1232", "10.1214/aos/1013203451",
    ),
    "rahimi2007": Reference(
        "Rahimi, Recht", 2007, "Random features for large-scale kernel machines",
        "Advances in Neural Information Processing Systems 20",
    ),
    "cardoso2022": Reference(
        "Cardoso and others", 2022, "MONAI: An open-source framework for deep learning in healthcare",
        "arXiv 2211.02701",
    ),
    "paszke2019": Reference(
        "Paszke and others", 2019, "PyTorch: An imperative style, high-performance deep learning library",
        "Advances in Neural Information Processing Systems 32",
    ),
    "wightman2019": Reference(
        "Wightman", 2019, "PyTorch Image Models",
        "GitHub, huggingface/pytorch-image-models",
    ),
    "pedregosa2011": Reference(
        "Pedregosa and others", 2011, "Scikit-learn: Machine learning in Python",
        "Journal of Machine Learning Research 12:2825-2830",
    ),
})  # fmt: skip
"""Key -> work. Most stand in the docstrings of the code that does what they describe."""
