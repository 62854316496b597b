// Package review puts in front of people what they decide on: how much each account uses
// ([Meter]) and which accounts keep running into their limits ([Near]).
package review
