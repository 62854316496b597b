// Package bartizan holds the vocabulary that every part of the system shares:
// the record of one request and its answer ([Exchange]), who asked
// ([Account], [Tier], [Level]), what was decided ([Decision]), what is suspected
// ([Finding]), what a person has to answer ([Case]) and what an answer gave away
// ([Disclosure]).
//
// Gateways and log readers write Exchanges; detectors, audit, evidence, console
// and lab read them. Nothing else passes between them. The package has no
// behaviour beyond validation and encoding, imports only the standard library,
// and stands on the lowest floor.
//
// The JSON forms of [Exchange], [Finding] and [Case] are public contracts. Each
// carries the name of its schema; within one version fields are only added.
package bartizan
