// Package evaluate measures how well detectors tell extraction from customers: it
// makes accounts from prompts, answers and times of real people and of real
// instruction lists, lets every detector judge the same accounts, and counts false
// alarms, detections and what a campaign got before its alarm.
//
// Accounts are judged, not rows. A benign account has one topic; programmers are kept
// whole and in order; no prompt stands twice in a log. Half of the rows of each benign
// source calibrates the published detectors, and only the other half is judged; half
// of the programmers, likewise. Every figure of a published detector is given twice:
// with all strata in its calibration, and without the stratum of what it judges.
// Detectors of this project come with a calibration of their own, which a list of
// source names may declare; the rows that the shipped one was made of are on the
// calibrating side here too.
//
// A stream resampled from few sources is not as many customers: the number of sources
// stands beside each number of streams.
package evaluate
